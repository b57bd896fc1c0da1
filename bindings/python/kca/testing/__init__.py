"""Test handlers in milliseconds: a system runs on a broker inside the test's process, and says what came of it.

With pytest the fixture `kca_embedded` gives a `TestedSystem`:

    def test_an_order_is_billed(kca_embedded):
        app = kca_embedded(system)
        app.publish("orders", OrderCreated("ORD-1", 9.5))
        app.assert_handled("orderCreated")
        app.assert_published("invoices", "invoiceCreated", {"amount": 9.5})

Without pytest, `with embedded(system) as app:` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..system import System
from .seen import Handled, Published
from .tested_system import TestedSystem

__all__ = ["Handled", "Published", "TestedSystem", "embedded"]


@contextmanager
def embedded(system: System, timeout: float = 10.0) -> Iterator[TestedSystem]:
    """The system, started on a broker of its own in this process, with the handlers that it has; shut down at the end.

    Its connections, whatever they say, lead to that broker; its consumers read all partitions at once, without a group.
    Afterwards the system is as it was.

    Args:
        system: of the application; not started.
        timeout: seconds that the handlers have until all is handled.
    """
    tested = TestedSystem(system, timeout)
    try:
        yield tested
    finally:
        tested.close()
