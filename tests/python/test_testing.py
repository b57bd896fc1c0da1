"""`kca.testing`: what users test their handlers with."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import kca
import kca.asyncio
import pytest
from kca.testing import TestedSystem, embedded
from support import DEADLINE_SECONDS
from waits import take_turns

pytest_plugins = ["pytester", "kca.testing.plugin"]


@dataclass
class OrderCreated:
    id: str
    amount: float


class NegativeAmountError(kca.Rejected):
    pass


def shop(**options: object) -> kca.System:
    """It bills orders of another application, which nobody reaches here."""
    system = kca.System(
        kca.Connection("kafka", "nowhere.invalid:9092", tls=True, sasl=("PLAIN", "me", "secret")),
        kca.PublisherBuilder("kafka", "invoices"),
        kca.PublisherBuilder("kafka", "orders.dead", required_acks=-1),
        kca.PublisherBuilder("kafka", "orders.retry", required_acks=-1),
    )
    consumer = kca.ConsumerBuilder("kafka", "orders", "billing")
    for option, value in options.items():
        getattr(consumer, f"with_{option}")(value)
    system.add_consumer(consumer)

    @system.handler
    def bill(order: OrderCreated) -> None:
        if order.amount < 0:
            raise NegativeAmountError("it is below 0")
        if order.amount == 0:
            raise ValueError("it is 0")
        system.event_bus("invoices").publish(
            "invoiceCreated", {"order": order.id, "amount": order.amount}, key=order.id
        )

    return system


@pytest.fixture
def app() -> Iterator[TestedSystem]:
    with embedded(shop(dead_letter_channel="orders.dead", max_attempts=3, retry_backoff_ms=1)) as made:
        yield made


def test_what_was_handled_and_published(app: TestedSystem) -> None:
    app.publish("orders", OrderCreated("ORD-1", 9.5))
    handled = app.assert_handled("orderCreated", {"amount": 9.5}, times=1)
    assert (handled.consumer, handled.attempt, handled.json()) == ("billing", 1, {"id": "ORD-1", "amount": 9.5})
    published = app.assert_published("invoices", "invoiceCreated", {"order": "ORD-1"})
    assert published.key == b"ORD-1"
    app.assert_nothing_failed()
    app.assert_nothing_published("orders.dead")


def test_what_failed_is_a_dead_letter(app: TestedSystem) -> None:
    app.publish("orders", OrderCreated("ORD-1", 0))
    app.publish("orders", OrderCreated("ORD-2", -1))
    app.publish("orders", "orderCreated", {"id": "ORD-3"})
    assert app.assert_failed("orderCreated", error="ValueError", times=3).text == "it is 0"
    assert "amount" in app.assert_failed("orderCreated", {"id": "ORD-3"}, error="payload", times=1).text
    app.assert_dead_lettered("orders.dead", "orderCreated", {"id": "ORD-2"}, error="NegativeAmountError")
    app.assert_dead_lettered("orders.dead", "orderCreated", times=3)
    app.assert_nothing_published("invoices")
    with pytest.raises(AssertionError, match="it is below 0"):
        app.assert_nothing_failed()


def test_what_is_not_there_is_told_with_what_is(app: TestedSystem) -> None:
    app.publish("orders", OrderCreated("ORD-1", 9.5))
    for check in (
        lambda: app.assert_handled("orderPaid"),
        lambda: app.assert_handled("orderCreated", {"amount": 1}),
        lambda: app.assert_handled("orderCreated", times=2),
        lambda: app.assert_failed("orderCreated"),
        lambda: app.assert_published("invoices", "invoiceCreated", {"amount": 1}),
        lambda: app.assert_dead_lettered("orders.dead", "orderCreated"),
        lambda: app.assert_nothing_published("invoices"),
    ):
        with pytest.raises(AssertionError, match="ORD-1"):
            check()
    with pytest.raises(LookupError, match="no channel payments is declared"):
        app.publish("payments", "x")


def test_a_consumer_that_stops_is_an_error() -> None:
    with embedded(shop()) as app:
        app.publish("orders", OrderCreated("ORD-1", -1))
        app.assert_failed("orderCreated", error="NegativeAmountError")
        with pytest.raises(AssertionError, match="consumer billing"):
            app.assert_nothing_failed()
    assert isinstance(app.errors[0], kca.HandlerError)


def test_the_system_is_afterwards_as_it_was() -> None:
    system = shop()
    before = system.description()
    for _ in range(2):
        with embedded(system) as app:
            app.publish("orders", OrderCreated("ORD-1", 1))
            app.assert_handled("orderCreated", times=1)
    assert system.description() == before


def test_a_started_system_is_refused() -> None:
    with (
        kca.System(kca.Connection("local", "embedded://")) as system,
        pytest.raises(ValueError, match="started already"),
        embedded(system),
    ):
        pass


def test_nothing_waits_for_a_time() -> None:
    hour_ms = 3600000
    with embedded(shop(delay_ms=hour_ms, retry_delay_ms=hour_ms, dead_letter_channel="orders.dead")) as app:
        app.publish("orders", OrderCreated("ORD-1", 0))
        app.assert_failed("orderCreated", times=2)
        app.assert_dead_lettered("orders.dead", "orderCreated", error="ValueError")
    with embedded(shop(retry_backoff_ms=hour_ms, max_attempts=3, dead_letter_channel="orders.dead")) as app:
        app.publish("orders", OrderCreated("ORD-1", 0))
        app.assert_failed("orderCreated", times=3)


def test_retry_channels_bring_the_next_attempt_at_once() -> None:
    hour_ms = 3600000
    with embedded(shop(retry_channel="orders.retry", retry_delay_ms=hour_ms, dead_letter_channel="orders.dead")) as app:
        app.publish("orders", OrderCreated("ORD-1", 0))
        app.assert_failed("orderCreated", times=2)
        assert [(h.topic, h.attempt) for h in app.handled] == [("orders", 1), ("orders.retry", 2)]
        app.assert_published("orders.retry", "orderCreated", times=1)
        letter = app.assert_dead_lettered("orders.dead", "orderCreated", error="ValueError")
        assert letter.headers["kca-dead-letter-topic"] == b"orders"


def test_what_is_to_be_delivered_later_comes_at_once() -> None:
    system = shop()
    ladder = kca.PublisherBuilder("kafka", "reminders", delay_channel="an.hour", delay_channel_ms=3600000)
    system.add_publisher(ladder.with_required_acks(-1))
    system.add_consumer(kca.ConsumerBuilder("kafka", "an.hour", "relay", relay=True))
    with embedded(system) as app:
        system.event_bus("reminders").publish("remind", {"id": 1}, deliver_at=4102444800000)
        app.assert_published("reminders", "remind", {"id": 1}, times=1)
        app.assert_nothing_published("an.hour")


def test_what_is_never_done_is_said() -> None:
    with embedded(shop(max_attempts=0, retry_backoff_ms=1), timeout=0.3) as app:
        app.publish("orders", OrderCreated("ORD-1", 0))
        with pytest.raises(TimeoutError, match="not all messages were handled"):
            app.run()


def shop_in_a_loop(**options: object) -> kca.asyncio.System:
    system = kca.asyncio.System(
        kca.Connection("kafka", "nowhere.invalid:9092", tls=True, sasl=("PLAIN", "me", "secret")),
        kca.PublisherBuilder("kafka", "invoices", async_=False),
        kca.PublisherBuilder("kafka", "orders.dead", required_acks=-1),
        kca.PublisherBuilder("kafka", "orders.retry", required_acks=-1),
    )
    consumer = kca.ConsumerBuilder("kafka", "orders", "billing")
    for option, value in options.items():
        getattr(consumer, f"with_{option}")(value)
    system.add_consumer(consumer)

    @system.handler
    async def bill(order: OrderCreated) -> None:
        await asyncio.sleep(0.01)
        if order.amount < 0:
            raise NegativeAmountError("it is below 0")
        if order.amount == 0:
            raise ValueError("it is 0")
        await system.event_bus("invoices").publish("invoiceCreated", {"order": order.id}, key=order.id)

    @system.handler("orderPaid")
    def pay(order: dict[str, str]) -> None:
        assert threading.current_thread() is not threading.main_thread()

    return system


def test_a_system_of_asyncio_runs_in_the_tests_loop() -> None:
    async def work() -> None:
        system = shop_in_a_loop(dead_letter_channel="orders.dead")
        before = system.description()
        for _ in range(2):
            async with embedded(system) as app:
                assert (await app.publish("orders", OrderCreated("ORD-1", 9.5), key="a")).topic == "orders"
                await app.publish("orders", OrderCreated("ORD-2", -1))
                await app.publish("orders", "orderPaid", {"id": "ORD-1"})
                handled = await app.assert_handled("orderCreated", times=1)
                assert (handled.consumer, handled.json()["id"]) == ("billing", "ORD-1")
                await app.assert_handled("orderPaid")
                published = await app.assert_published("invoices", "invoiceCreated", {"order": "ORD-1"}, times=1)
                assert published.key == b"ORD-1"
                await app.assert_failed("orderCreated", error="NegativeAmountError")
                await app.assert_dead_lettered("orders.dead", "orderCreated", error="NegativeAmountError")
                with pytest.raises(AssertionError, match="it is below 0"):
                    await app.assert_nothing_failed()
                with pytest.raises(AssertionError, match="ORD-1"):
                    await app.assert_nothing_published("invoices")
                with pytest.raises(LookupError, match="no channel payments is declared"):
                    await app.publish("payments", "x")
        assert system.description() == before
        assert set(system._rooms) == {"invoices", "orders.dead", "orders.retry"}
        async with embedded(shop_in_a_loop(retry_channel="orders.retry", failure_policy="skip")) as app:
            await app.publish("orders", OrderCreated("ORD-2", 0))
            await app.assert_failed("orderCreated", error="ValueError", times=2)
            assert [(h.topic, h.attempt) for h in app.handled] == [("orders", 1), ("orders.retry", 2)]

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def test_in_a_loop_a_consumer_that_stops_and_one_that_hangs_are_told() -> None:
    async def work() -> None:
        async with embedded(shop_in_a_loop()) as app:
            await app.publish("orders", OrderCreated("ORD-1", -1))
            with pytest.raises(AssertionError, match="consumer billing"):
                await app.assert_nothing_failed()
        system = shop_in_a_loop()

        @system.handler("orderLost")
        async def hang(order: None) -> None:
            await asyncio.sleep(3600)

        async with embedded(system, timeout=0.3) as app:
            await app.publish("orders", "orderLost")
            with pytest.raises(TimeoutError, match="not all messages were handled"):
                await app.run()

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


HOUR_MS = 3600000


class UnknownItemError(kca.Rejected):
    pass


@dataclass
class Price:
    price: float


def prices(**options: Any) -> kca.System:
    """It answers what a thing costs, and what an order costs by asking itself."""
    system = kca.System(
        kca.Connection("kafka", "nowhere.invalid:9092"),
        kca.PublisherBuilder("kafka", "prices", reply_channel="prices.answers", required_acks=-1),
        kca.PublisherBuilder("kafka", "prices.answers", required_acks=-1),
        kca.PublisherBuilder("kafka", "dead", required_acks=-1),
        kca.ConsumerBuilder("kafka", "prices", "pricing", reply=True, dead_letter_channel="dead", **options),
        kca.ConsumerBuilder("kafka", "orders", "ordering", reply=True, dead_letter_channel="dead", **options),
        kca.ConsumerBuilder("kafka", "silent", "silence"),
    )

    @system.handler
    def price_of(question: dict[str, str], d: kca.Delivery) -> dict[str, float] | None:
        if question["item"] == "gold":
            raise UnknownItemError("no gold here")
        if question["item"] == "salt" and d.attempt < 3:
            raise ValueError("not yet")
        return None if question["item"] == "air" else {"price": 4.5}

    @system.handler
    def total_of(order: list[str]) -> float:
        bus = system.query_bus("prices")
        prices: list[Price] = [bus.send("priceOf", {"item": item}, returns=Price) for item in order]
        return sum(price.price for price in prices)

    @system.batch_handler("stockOf", wait_ms=HOUR_MS)
    def stock_of(items: list[str], deliveries: list[kca.Delivery]) -> None:
        for item, d in zip(items, deliveries, strict=True):
            d.reply(len(item))

    return system


def test_a_question_is_answered() -> None:
    with embedded(prices()) as app:
        assert app.send("prices", "priceOf", {"item": "tea"}) == {"price": 4.5}
        assert app.send("prices", "priceOf", {"item": "tea"}, returns=Price) == Price(4.5)
        assert app.send("prices", kca.Message("priceOf", {"item": "air"})) is None
        with pytest.raises(kca.ReplyError, match="no gold here"):
            app.send("prices", "priceOf", {"item": "gold"}, correlation_id="c-1", reply_to="kca.testing.replies")
        with pytest.raises(kca.PayloadError):
            app.send("prices", "priceOf", {"item": "air"}, returns=Price)
        reply = app.assert_replied("priceOf", {"price": 4.5}, times=2)
        assert (reply.topic, reply.question, reply.error) == ("prices.answers", "priceOf", None)
        app.assert_replied("priceOf", None, times=2)
        error = app.assert_replied("priceOf", error="no gold", times=1)
        assert (error.topic, error.correlation_id, error.error) == ("kca.testing.replies", "c-1", "no gold here")
        assert [reply.error for reply in app.replies] == [None, None, None, "no gold here", None]
        app.assert_dead_lettered("dead", "priceOf", error="UnknownItemError")
        with pytest.raises(AssertionError, match="priceOf was answered 4 times, not 5 times"):
            app.assert_replied("priceOf", times=5)
        with pytest.raises(AssertionError, match="the reply to priceOf"):
            app.assert_replied("priceOf", {"price": 5})


def test_who_asks_while_it_handles_is_answered_in_the_same_thread() -> None:
    with embedded(prices()) as app:
        assert app.send("orders", "totalOf", ["tea", "milk"]) == 9.0
        with pytest.raises(kca.ReplyError, match="no gold here"):
            app.send("orders", "totalOf", ["gold"])
        bus = app.system.query_bus("prices")
        assert bus.send("priceOf", {"item": "tea"}) == {"price": 4.5}
        with pytest.raises(kca.ReplyError):
            bus.send("priceOf", {"item": "gold"})
        app.assert_replied("priceOf", {"price": 4.5}, times=3)
    with pytest.raises(kca.StateError):  # the bus of the time before and after is an ordinary one
        app.system.query_bus("prices").send("priceOf", {"item": "tea"})


def test_replies_wait_for_no_time_either() -> None:
    options = {"max_attempts": 3, "retry_delay_ms": HOUR_MS, "delay_ms": HOUR_MS}
    with embedded(prices(**options)) as app:
        assert app.send("prices", "priceOf", {"item": "salt"}) == {"price": 4.5}
        app.assert_failed("priceOf", error="ValueError", times=2)
        app.assert_replied("priceOf", times=1)
        assert app.send("prices", "stockOf", '"milk"') == 4  # by a batch that would wait for an hour


def test_who_is_not_answered_is_told_what_there_was() -> None:
    with embedded(prices()) as app:
        with pytest.raises(AssertionError, match="(?s)stockOf was not answered; there was:.*silent: stockOf"):
            app.send("silent", "stockOf", '"milk"')
        with pytest.raises(AssertionError, match="stockOf was answered 0 times"):
            app.assert_replied("stockOf")
        assert app.replies == []


def test_a_question_is_answered_in_the_tests_loop() -> None:
    async def work() -> None:
        system = kca.asyncio.System(
            kca.Connection("kafka", "nowhere.invalid:9092"),
            kca.PublisherBuilder("kafka", "prices", reply_channel="prices.answers", required_acks=-1),
            kca.PublisherBuilder("kafka", "prices.answers", required_acks=-1),
            kca.ConsumerBuilder("kafka", "prices", "pricing", reply=True, failure_policy="skip", delay_ms=HOUR_MS),
        )

        @system.handler("priceOf")
        async def price_of(question: dict[str, str]) -> Any:
            await take_turns()
            if question["item"] == "gold":
                raise UnknownItemError("no gold here")
            return {"price": 4.5}

        @system.handler("totalOf")
        async def total_of(order: list[str]) -> float:
            bus = system.query_bus("prices")
            asks = (bus.send("priceOf", {"item": item}, returns=Price) for item in order)
            found: list[Price] = await asyncio.gather(*asks)
            return sum(price.price for price in found)

        async with embedded(system) as app:
            assert await app.send("prices", "priceOf", {"item": "tea"}, returns=Price) == Price(4.5)
            assert await app.send("prices", "totalOf", ["tea", "milk"]) == 9.0
            with pytest.raises(kca.ReplyError, match="no gold here"):
                await app.send("prices", "priceOf", {"item": "gold"})
            assert (await app.assert_replied("priceOf", {"price": 4.5}, times=3)).question == "priceOf"
            await app.assert_replied("priceOf", error="gold", times=1)

    asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def test_transactions_need_a_real_broker() -> None:
    with (
        pytest.raises(
            ValueError, match="consumer billing: the embedded broker knows no transactions.*needs a real one"
        ),
        embedded(shop(transactional_id="billing-1")),
    ):
        pass


def test_the_fixture_says_how_a_loop_is_tested(kca_embedded: Any) -> None:
    with pytest.raises(TypeError, match=r"async with kca.testing.embedded\(system\)"):
        kca_embedded(shop_in_a_loop())


def test_a_test_need_not_take_seconds() -> None:
    took: list[float] = []
    while not took or (min(took) > 0.8 and len(took) < 20):  # a busy machine has a quieter moment
        begin = time.monotonic()
        with embedded(shop()) as app:
            app.publish("orders", OrderCreated("ORD-1", 1))
            app.assert_published("invoices", "invoiceCreated")
        took.append(time.monotonic() - begin)
    assert min(took) < 0.8, took  # about 0.2 where nothing else runs


def test_the_fixture_of_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop="""
        import kca

        system = kca.System(kca.Connection("kafka", "nowhere.invalid:9092"))
        system.add_consumer(kca.ConsumerBuilder("kafka", "orders", "billing"))


        @system.handler("orderCreated")
        def bill(order):
            assert order["amount"] > 0
        """,
        test_shop="""
        from shop import system

        pytest_plugins = ["kca.testing.plugin"]


        def test_handled(kca_embedded):
            app = kca_embedded(system)
            app.publish("orders", "orderCreated", {"amount": 1})
            app.assert_handled("orderCreated")


        def test_failed(kca_embedded):
            app = kca_embedded(system)
            app.publish("orders", "orderCreated", {"amount": 0})
            app.assert_handled("orderCreated")
        """,
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*orderCreated was handled 0 times, not at least once; there was:*", "*AssertionError*"]
    )
