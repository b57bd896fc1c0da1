"""pytest's plugin: the fixture `kca_embedded`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ..system import System
from . import TestedSystem, embedded


@pytest.fixture
def kca_embedded() -> Iterator[Callable[..., TestedSystem]]:
    """A function that starts a system on a broker in this process until the test's end; see `kca.testing`."""
    with ExitStack() as stack:

        def start(system: System, timeout: float = 10.0) -> TestedSystem:
            if not isinstance(system, System):
                raise TypeError("a system of kca.asyncio needs a loop: async with kca.testing.embedded(system) as app")
            return stack.enter_context(embedded(system, timeout))

        yield start
