"""Test handlers in milliseconds: a system runs on a broker inside the test's process, and tells what it did.

With pytest the fixture `kca_embedded` gives a `TestedSystem`:

    def test_an_order_is_billed(kca_embedded):
        app = kca_embedded(system)
        app.publish("orders", OrderCreated("ORD-1", 9.5))
        app.assert_handled("orderCreated")
        app.assert_published("invoices", "invoiceCreated", {"amount": 9.5})
        assert app.send("prices", "priceOf", {"item": "tea"}) == {"price": 4.5}

Without pytest, use `with embedded(system) as app:`. A system of `kca.asyncio` runs in the test's loop:

    async with embedded(system) as app:
        await app.publish("orders", OrderCreated("ORD-1", 9.5))
        await app.assert_handled("orderCreated")

Consumers with a `transactional_id` need a real broker: the broker in the process knows no transactions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import overload

from .. import asyncio as loops
from ..system import System
from .seen import Handled, Published, Replied
from .tested_loop import AsyncTestedSystem
from .tested_system import TestedSystem

__all__ = ["AsyncTestedSystem", "Handled", "Published", "Replied", "TestedSystem", "embedded"]


@overload
def embedded(system: System, timeout: float = 10.0) -> AbstractContextManager[TestedSystem]: ...
@overload
def embedded(system: loops.System, timeout: float = 10.0) -> AbstractAsyncContextManager[AsyncTestedSystem]: ...
def embedded(
    system: System | loops.System, timeout: float = 10.0
) -> AbstractContextManager[TestedSystem] | AbstractAsyncContextManager[AsyncTestedSystem]:
    """Starts a system with its handlers on a broker in this process, and shuts the system down at the end.

    All its connections lead to this broker; its consumers read all partitions at once, without a group. Afterwards the
    system is as it was. Nothing waits for a time: retries, records with a `delay_ms` and messages with a
    `deliver_at` come at once.

    Args:
        system: the application's system, not started. For a system of `kca.asyncio`: `async with embedded(system)`.
        timeout: seconds that the handlers have to handle all messages.
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
