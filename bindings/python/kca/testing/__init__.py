"""Test handlers in milliseconds: a system runs on a broker inside the test's process, and says what came of it.

With pytest the fixture `kca_embedded` gives a `TestedSystem`:

    def test_an_order_is_billed(kca_embedded):
        app = kca_embedded(system)
        app.publish("orders", OrderCreated("ORD-1", 9.5))
        app.assert_handled("orderCreated")
        app.assert_published("invoices", "invoiceCreated", {"amount": 9.5})

Without pytest, `with embedded(system) as app:` does the same. A system of `kca.asyncio` runs in the test's loop:

    async with embedded(system) as app:
        await app.publish("orders", OrderCreated("ORD-1", 9.5))
        await app.assert_handled("orderCreated")

Consumers with a `transactional_id` need a real broker: the one in the process knows no transactions, and says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import overload

from .. import asyncio as loops
from ..system import System
from .seen import Handled, Published
from .tested_loop import AsyncTestedSystem
from .tested_system import TestedSystem

__all__ = ["AsyncTestedSystem", "Handled", "Published", "TestedSystem", "embedded"]


@overload
def embedded(system: System, timeout: float = 10.0) -> AbstractContextManager[TestedSystem]: ...
@overload
def embedded(system: loops.System, timeout: float = 10.0) -> AbstractAsyncContextManager[AsyncTestedSystem]: ...
def embedded(
    system: System | loops.System, timeout: float = 10.0
) -> AbstractContextManager[TestedSystem] | AbstractAsyncContextManager[AsyncTestedSystem]:
    """The system, started on a broker of its own in this process, with the handlers that it has; shut down at the end.

    Its connections, whatever they say, lead to that broker; its consumers read all partitions at once, without a group.
    Afterwards the system is as it was.

    Args:
        system: of the application; not started. With one of `kca.asyncio` it is `async with embedded(system)`.
        timeout: seconds that the handlers have until all is handled.
    """
    return _in_loop(system, timeout) if isinstance(system, loops.System) else _in_thread(system, timeout)


@asynccontextmanager
async def _in_loop(system: loops.System, timeout: float) -> AsyncIterator[AsyncTestedSystem]:
    tested = AsyncTestedSystem(system, timeout)
    await tested.begin()
    try:
        yield tested
    finally:
        await tested.close()


@contextmanager
def _in_thread(system: System, timeout: float) -> Iterator[TestedSystem]:
    tested = TestedSystem(system, timeout)
    try:
        yield tested
    finally:
        tested.close()
