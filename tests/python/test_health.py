"""Health: ready, stuck while a handler hangs, and ready again; in threads and in asyncio's loop."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import kca
import kca.asyncio
import pytest
from support import KEY, declared
from waits import wait_for, wait_in_loop_for

SOON_MS = 200


def is_ready(system: Any) -> bool:
    health: kca.Health = system.health()
    return health.ready and bool(health.details["consumers"][0]["partitions"])


def must_be_stuck(health: kca.Health) -> None:
    assert (health.live, health.ready, health.stuck) == (False, False, True)
    assert any("offset 0: its handler has it" in reason for reason in health.reasons)
    [stuck] = [p for c in health.details["consumers"] for p in c["partitions"] if p["stuck"]]
    assert (stuck["topic"], stuck["partition"], stuck["waits_for"], stuck["offset"]) == ("orders", 0, "handler", 0)
    json.dumps(health.details)


def is_stuck(system: Any) -> bool:
    code: int = system.health(SOON_MS).code
    return bool(code == kca.HEALTH_NOT_LIVE)


def test_a_handler_that_hangs_is_told_of_until_it_is_back() -> None:
    system = declared()
    held = threading.Event()

    @system.handler("*")
    def handle(order: int) -> None:
        held.wait()

    before = system.health()
    assert (before.code, before.live, before.stuck) == (kca.HEALTH_NOT_READY, True, False)
    assert before.reasons == ("system: it is not started",)
    with system:
        consumer = system.consumer("shop")
        running = threading.Thread(target=consumer.run)
        running.start()
        try:
            wait_for(lambda: is_ready(system), "the consumer")
            system.event_bus("orders").publish("orderCreated", 1, key=KEY)
            wait_for(lambda: is_stuck(system), "the handler")
            must_be_stuck(system.health(SOON_MS))
            assert system.health(-1).code == kca.HEALTH_READY
            held.set()
            wait_for(lambda: system.health(SOON_MS).ready, "the end of it")
        finally:
            held.set()
            consumer.stop()
            running.join()


def test_the_loop_tells_of_a_coroutine_that_hangs() -> None:
    async def tell() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
            kca.ConsumerBuilder("local", "orders", "shop", partition=0),
        )
        held = asyncio.Event()

        @system.handler("*")
        async def handle(order: int) -> None:
            await held.wait()

        async with system, system.consumer("shop").running():
            await wait_in_loop_for(lambda: is_ready(system), "the consumer")
            await system.event_bus("orders").publish("orderCreated", 1, key=KEY)
            await wait_in_loop_for(lambda: is_stuck(system), "the handler")
            must_be_stuck(system.health(SOON_MS))
            held.set()
            await wait_in_loop_for(lambda: system.health(SOON_MS).ready, "the end of it")

    asyncio.run(tell())


def test_a_bound_that_is_not_allowed_is_an_error() -> None:
    with pytest.raises(kca.ArgumentError, match="stuck_after_ms"):
        kca.System().health(-2)
