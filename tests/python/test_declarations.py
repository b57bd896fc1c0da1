"""Declarations chain, keep their first failure, and cover every option of the header."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import kca
import kca.asyncio
import pytest
from kca import _kca, errors

BUILDERS: dict[str, Callable[[], Any]] = {
    "kca_connection_with_": lambda: kca.Connection("local", "embedded://"),
    "kca_publisher_builder_with_": lambda: kca.PublisherBuilder("local", "orders"),
    "kca_consumer_builder_with_": lambda: kca.ConsumerBuilder("local", "orders", "shop"),
    "kca_redrive_with_": lambda: kca.RedriveBuilder("local", "orders.dead"),
}
SAMPLES: dict[str, Any] = {"int": 1, "float": 1.5, "bool": True, "str": "1", "str | None": None}


def sample(annotation: str) -> Any:
    """A value of the type; of a choice its first."""
    if annotation in SAMPLES:
        return SAMPLES[annotation]
    return get_args(eval(annotation, vars(typing)))[0]


def options(prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in dir(_kca) if name.startswith(prefix)]


@pytest.mark.parametrize("prefix", BUILDERS)
def test_every_option_returns_the_same_object(prefix: str) -> None:
    assert options(prefix)
    for option in options(prefix):
        builder = BUILDERS[prefix]()
        method = getattr(builder, f"with_{option}")
        arguments = [sample(p.annotation) for p in inspect.signature(method).parameters.values()]
        assert method(*arguments) is builder, option


@pytest.mark.parametrize("prefix", BUILDERS)
def test_every_option_is_a_keyword_argument_too(prefix: str) -> None:
    keywords = {
        name.removesuffix("_")
        for name, parameter in inspect.signature(type(BUILDERS[prefix]())).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keywords == set(options(prefix))


def described(system: kca.System) -> Any:
    system.handler("*", lambda order, message: None)
    system.start()
    try:
        return json.loads(system.describe(kca.FORMAT_JSON))
    finally:
        system.shutdown()


def another(kind: Any, now: Any) -> Any:
    """A value of a keyword argument's type that is not the one it has now."""
    kinds = get_args(kind)
    if list in [get_origin(each) for each in kinds]:
        return ["first", "second"] if str in kinds else [1, 2]
    if get_origin(kinds[0]) is Literal:
        return next(choice for choice in get_args(kinds[0]) if choice != now)
    if kinds[0] is bool:
        return not now
    return "1767225600000" if kinds[0] is str else now + kinds[0](1)


# What an option needs beside it.
BESIDE: dict[str, dict[str, Any]] = {
    "idempotence": {"required_acks": -1},
    "group_remote_assignor": {"group_protocol": "consumer"},
    "park": {"dead_letter_channel": "orders.dead"},
    "delay_channel": {"delay_channel_ms": [1, 2]},
    "delay_channel_ms": {"delay_channel": ["first", "second"]},
}
# What an older librdkafka does not have; `core.group` and `broker.consumer_membership` see to it.
NEEDS_2_12 = {"group_protocol", "group_remote_assignor"}


@pytest.mark.parametrize("kind", [kca.PublisherBuilder, kca.ConsumerBuilder])
def test_every_option_reaches_the_system_and_is_described(kind: Any) -> None:
    names = ("local", "orders", "shop")[: 3 if kind is kca.ConsumerBuilder else 2]

    def seen(**given: Any) -> Any:
        system = kca.System(kca.Connection("local", "embedded://"), kind(*names, **given))
        told = json.loads(system.describe(kca.FORMAT_JSON))
        return (told["consumers"] or told["publishers"])[0]

    usual = {"partition": kca.PARTITION_ASSIGNED, **seen()}
    types = get_type_hints(kind.__init__)
    for keyword, parameter in inspect.signature(kind).parameters.items():
        option = keyword.removesuffix("_")
        if parameter.kind is not parameter.KEYWORD_ONLY or option in ("property", "group_topic"):
            continue
        if option in NEEDS_2_12 and [int(n) for n in _kca.kca_rdkafka_version().split(".")[:2]] < [2, 12]:
            continue
        value = another(types[keyword], usual.get(option))
        assert usual.get(option) != value
        assert seen(**{keyword: value}, **BESIDE.get(option, {}))[option] == value


def test_a_keyword_argument_does_what_its_method_does() -> None:
    publishers = [
        kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False, property={"client.id": "shop"}),
        kca.PublisherBuilder("local", "orders")
        .with_required_acks(-1)
        .with_async(False)
        .with_property("client.id", "shop"),
    ]
    consumers = [
        kca.ConsumerBuilder("local", "orders", "shop", group_topic=["a", "b"], retry_delay_ms=[1, 2], partition=None),
        kca.ConsumerBuilder("local", "orders", "shop", group_topic="a")
        .with_group_topic("b")
        .with_retry_delay_ms(1)
        .with_retry_delay_ms(2),
    ]
    seen = [
        described(
            kca.System()
            .add_connection(kca.Connection("local", "embedded://"))
            .add_publisher(publisher)
            .add_consumer(consumer)
        )
        for publisher, consumer in zip(publishers, consumers, strict=True)
    ]
    first, second = ([s["publishers"][0], s["consumers"][0]["topics"]] for s in seen)
    for publisher in first, second:
        publisher[0]["properties"].pop("metadata.broker.list")
    assert first == second
    assert first[0]["properties"]["client.id"] == "shop"


def test_a_wrong_keyword_argument_is_raised_at_once() -> None:
    with pytest.raises(kca.ArgumentError, match="publisher orders: batch_size must be 1 to 1000000, got 0"):
        kca.PublisherBuilder("local", "orders", batch_size=0)
    with pytest.raises(kca.ArgumentError, match="connection local: .*NONE"):
        kca.Connection("local", "kafka:9092", sasl=("NONE", "user", "secret"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="batch_sise"):
        kca.PublisherBuilder("local", "orders", batch_sise=1)  # type: ignore[call-arg]


def test_tls_may_be_said_shortly() -> None:
    for tls in True, "/nowhere/ca.pem", (None, None, None):
        system = kca.System().add_connection(kca.Connection("far", "127.0.0.1:1", tls=tls))
        system.add_publisher(kca.PublisherBuilder("far", "orders"))
        with pytest.raises(kca.ArgumentError if isinstance(tls, str) else kca.UnreachableError):
            system.start(500)
    kca.Connection("far", "127.0.0.1:1", tls=False, tls_key_password="secret")


def test_consumer_options_return_the_same_object() -> None:
    system = kca.System().add_connection(kca.Connection("local", "embedded://"))
    consumer = system.add_consumer(kca.ConsumerBuilder("local", "orders", "shop")).consumer("shop")
    assert consumer.with_amount_of_processors(4).with_message_processing_timeout_ms(1000) is consumer


def test_first_failure_of_a_builder_is_raised_when_it_is_added() -> None:
    builder = kca.PublisherBuilder("local", "orders").with_batch_size(0).with_compression("zip")  # type: ignore[arg-type]
    with pytest.raises(kca.ArgumentError) as raised:
        kca.System().add_publisher(builder)
    assert str(raised.value) == "publisher orders: batch_size must be 1 to 1000000, got 0"
    error = raised.value
    assert (error.code, error.name, error.retriable, error.fatal) == (1, "argument", False, False)


def test_a_bad_name_is_raised_where_the_object_is_made_or_added() -> None:
    with pytest.raises(kca.ArgumentError):
        kca.System().add_publisher(kca.PublisherBuilder("local", ""))


def test_start_names_what_is_missing() -> None:
    system = kca.System().add_publisher(kca.PublisherBuilder("nowhere", "orders"))
    with pytest.raises(kca.Error, match="nowhere"):
        system.start()


def test_taken_names_are_refused() -> None:
    system = kca.System().add_connection(kca.Connection("local", "embedded://"))
    with pytest.raises(kca.DuplicateError):
        system.add_connection(kca.Connection("local", "embedded://"))
    with pytest.raises(kca.NotFoundError):
        system.consumer("shop")
    system.handler("orderCreated", lambda order, message: None)
    with pytest.raises(kca.DuplicateError):
        system.handler("orderCreated", lambda order, message: None)


def test_nobody_listening_is_unreachable() -> None:
    system = kca.System().add_connection(kca.Connection("far", "127.0.0.1:1"))
    system.add_publisher(kca.PublisherBuilder("far", "orders"))
    with pytest.raises(kca.UnreachableError):
        system.start(1000)


def test_every_constant_of_the_header_is_in_the_package() -> None:
    named = [name.removeprefix("KCA_") for name in dir(_kca) if name.startswith("KCA_")]
    elsewhere = ("ERROR_", "EVENT_", "REBALANCE_", "STATE_", "JSON_", "OK", "GO_ON")  # classes, Python's own values
    missing = [name for name in named if not name.startswith(elsewhere) and not hasattr(kca, name)]
    assert not missing


def test_each_kind_of_error_has_its_class() -> None:
    codes = {getattr(_kca, name) for name in dir(_kca) if name.startswith("KCA_ERROR_")}
    assert {kind.code for kind in errors.Error.__subclasses__()} == codes


def test_messages_keep_what_they_are_given() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    message = kca.Message(
        "orderCreated",
        {"id": "ä", "n": 9007199254740993},
        key=b"k\0k",
        type=kca.TYPE_COMMAND,
        message_id="m-1",
        correlation_id="c-1",
        timestamp_ms=1767225600123,
        origin="shop",
        version="2.0",
        reply_to="replies",
        headers={"tenant": "acme", "bin": b"\0\xff"},
        trace_context=(trace, "a=1"),
    )
    assert (message.name, message.type, message.key) == ("orderCreated", kca.TYPE_COMMAND, b"k\0k")
    assert (message.message_id, message.correlation_id, message.timestamp_ms) == ("m-1", "c-1", 1767225600123)
    assert (message.origin, message.version, message.reply_to) == ("shop", "2.0", "replies")
    assert message.headers == {"tenant": b"acme", "bin": b"\0\xff"}
    assert (message.header("tenant"), message.header("none")) == ("acme", None)
    assert message.trace_context == (trace, "a=1")
    assert message.json() == {"id": "ä", "n": 9007199254740993}


def test_a_message_that_is_not_allowed_is_refused_where_it_is_made() -> None:
    for wrong in {"headers": {"messageId": "1"}}, {"type": 7}, {"timestamp_ms": -5}, {"trace_context": ("no", None)}:
        with pytest.raises(kca.ArgumentError, match="message orderCreated: "):
            kca.Message("orderCreated", **wrong)


def test_what_is_declared_tells_what_it_is_and_no_secret() -> None:
    connection = kca.Connection("local", "kafka:9092", sasl=("PLAIN", "me", "secret"))
    assert repr(connection) == "<Connection: connection local>"
    assert repr(kca.ConsumerBuilder("local", "orders", "shop")) == "<ConsumerBuilder: consumer shop>"
    assert repr(kca.Message("orderCreated", {})) == "<Message orderCreated>"
    assert repr(kca.Message("a\u202eb", {})) == r"<Message a\u202eb>"


def test_a_payload_may_be_bytes_of_any_kind_or_none() -> None:
    for payload in b"\0x", bytearray(b"\0x"), memoryview(b"\0x"):
        assert kca.Message("m", payload).payload == b"\0x"
    assert kca.Message("m").payload is None
    with pytest.raises(kca.PayloadError):
        kca.Message("m", "{").json()


# For what the types forbid.
PUBLISHER: Any = kca.PublisherBuilder
CONSUMER: Any = kca.ConsumerBuilder
CONNECTION: Any = kca.Connection
REDRIVE: Any = kca.RedriveBuilder


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (
            lambda: PUBLISHER("local", "orders", linger_ms="x"),
            "publisher orders: linger_ms must be an integer, got 'x'",
        ),
        (lambda: PUBLISHER("local", "orders", linger_ms=True), "linger_ms must be an integer, got True"),
        (lambda: PUBLISHER("local", "orders", linger_ms=1.5), "linger_ms must be an integer, got 1.5"),
        (
            lambda: PUBLISHER("local", "orders", linger_ms=10**12),
            "linger_ms is out of range, got 1000000000000",
        ),
        (lambda: PUBLISHER("local", "orders", async_="no"), "async must be True or False, got 'no'"),
        (lambda: PUBLISHER("local", "orders").with_compression(5), "compression must be a text, got 5"),
        (lambda: PUBLISHER("local", "orders", property={"a": 5}), "property: value must be a text, got 5"),
        (lambda: PUBLISHER("local", "orders", property="a=5"), "property takes name, value, got 1 values"),
        (lambda: PUBLISHER("local", "orders", reply_channel="a\0"), "reply_channel must be without NUL"),
        (lambda: PUBLISHER("local", None), "publisher: topic must be a text, got None"),
        (
            lambda: CONSUMER("local", "orders", "shop", retry_delay_ms=[1, "2"]),
            "consumer shop: retry_delay_ms must be",
        ),
        (
            lambda: CONSUMER("local", "orders", "shop", retry_backoff_multiplier="2"),
            "must be a number, got '2'",
        ),
        (lambda: CONNECTION("local", 9092), "connection: hosts must be a text, got 9092"),
        (
            lambda: CONNECTION("local", "kafka:9092", sasl=("PLAIN", "me", 5)),
            "sasl: password must be a text, got one of type int",
        ),
        (
            lambda: CONNECTION("local", "kafka:9092", sasl=("PLAIN", "me")),
            "sasl takes mechanism, user, password, got 2 values",
        ),
        (
            lambda: CONNECTION("local", "kafka:9092").with_tls_key_password(b"secret"),
            "must be a text, got one of type bytes",
        ),
        (
            lambda: REDRIVE("local", "orders.dead", dry_run=0),
            "redrive orders.dead: dry_run must be True or False, got 0",
        ),
    ],
)
def test_a_wrong_type_names_the_option_and_what_is_allowed(declare: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError, kca.ArgumentError)) as raised:
        declare()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value) and "method" not in str(raised.value)


@pytest.mark.parametrize("wrong", [0, 1025, "2", True])
@pytest.mark.parametrize("kind", [kca.System, kca.asyncio.System])
def test_wrong_processors_are_refused_where_they_are_given(kind: Any, wrong: Any) -> None:
    system = kind(kca.Connection("local", "embedded://"), kca.ConsumerBuilder("local", "orders", "shop"))
    consumer = system.consumer("shop")
    gives: list[Callable[[], Any]] = [
        lambda: consumer.with_amount_of_processors(wrong),
        lambda: system.consumer("shop", amount_of_processors=wrong),
    ]
    for give in gives:
        with pytest.raises((TypeError, kca.ArgumentError), match="consumer shop: amount_of_processors must be "):
            give()
    with pytest.raises(
        kca.ArgumentError, match="message_processing_timeout_ms must be 0 to 86400000, got -1"
    ) as raised:
        consumer.with_message_processing_timeout_ms(-1)
    assert raised.value.name == "argument"


def test_a_builder_stays_as_it_is_whoever_has_it() -> None:
    builder = kca.PublisherBuilder("local", "orders", required_acks=-1, async_=False, linger_ms=7, buffer_timeout_ms=5)
    connection = kca.Connection("local", "embedded://")
    kca.asyncio.System(connection, builder)
    system = kca.System(connection, builder.with_async(True))
    [publisher] = described(system)["publishers"]
    assert publisher["async"]
    assert publisher["properties"]["queue.buffering.max.ms"] == "7"


def test_a_message_without_a_name_is_asked_for() -> None:
    system = kca.System(kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders"))
    bus = system.event_bus("orders")
    for message in None, "", kca.Message(None, {}), kca.Message("", {}):
        with pytest.raises(kca.ArgumentError, match="it has no name, by which its handler is found"):
            bus.publish(message)
    with pytest.raises(kca.StateError, match="not started"):
        bus.publish(None, {}, unnamed=True)
    for asked in kca.Message(None, {}, unnamed=True), kca.Message(None, {}, raw=True):
        with pytest.raises(kca.StateError, match="not started"):
            bus.publish(asked)


def test_a_text_that_is_not_utf_8_is_named() -> None:
    with pytest.raises(ValueError, match="correlation_id must be UTF-8, got one with"):
        kca.Message("m", {}, correlation_id="a\udcff")
    with pytest.raises(kca.ArgumentError, match="name must be UTF-8, got the byte 0xff at offset 0"):
        kca.Message("\udcff")


def called(function: Any, *arguments: Any, **named: Any) -> str:
    """The text of what the call raises."""
    try:
        function(*arguments, **named)
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return ""


def test_no_text_has_names_of_c() -> None:
    """Whatever a function is given, what it says is wrong is in Python's words."""
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders"),
        kca.ConsumerBuilder("local", "orders", "shop"),
    )
    objects = [system, system.event_bus("orders"), system.consumer("shop"), kca.Message("m"),
               kca.Connection("local", "embedded://"), kca.PublisherBuilder("local", "orders"),
               kca.ConsumerBuilder("local", "orders", "shop"), kca.RedriveBuilder("local", "dead")]  # fmt: skip
    calls = [(f"{type(o).__name__}.{name}", getattr(o, name)) for o in objects for name in dir(o) if name[0] != "_"]
    calls += [(kind.__name__, kind) for kind in {*map(type, objects)}]
    waits = {"start", "shutdown", "run", "flush"}
    count = 0
    for name, function in calls:
        if not callable(function) or name.rpartition(".")[2] in waits:
            continue
        parameters = inspect.signature(function).parameters.values()
        for value in None, 5, -1, 2**70, 1.5, "x", b"x", object(), [], {}, "a\0b", "\udcff":
            texts = [called(function, *[value] * most) for most in range(5)]
            texts += [called(function, "a", **{p.name: value}) for p in parameters if p.kind is p.KEYWORD_ONLY]
            for text in texts:
                assert not re.search(r"kca_[a-z]|KCA_|in method|char const|swig", text), f"{name}: {text}"
            count += len(texts)
    assert count > 3000
