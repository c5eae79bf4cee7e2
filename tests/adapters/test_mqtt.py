"""MQTT against real brokers: what comes, what goes, who may, and what happens when the broker goes away."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._feed import tell
from loom.adapters._mqtt_client import AHEAD, MAX_PACKET, Ahead, aiomqtt, bounded, make_broker
from loom.adapters._retrying import Pauses
from loom.adapters.mqtt import MqttSource, mqtt, mqtt_sink
from loom.errors import ActionFailed, ConfigError, EgressRefused, InvalidEvent, RemoteFailed, RemoteTooLarge
from loom.event import Event
from loom.testing import Probe, virtual_time
from tests.adapters import brokers
from tests.adapters.brokers import Broker
from tests.adapters.fault_server import project
from tests.adapters.heard import Heard, hearing

aiomqtt()
QUICK = Pauses(0.05, 0.2)
KINDS = [
    "nats",
    pytest.param(
        "mosquitto", marks=pytest.mark.skipif(not brokers.MOSQUITTO, reason="mosquitto is not installed")
    ),
]


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with getattr(brokers, request.param)(tmp_path) as running:
        yield running


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Broker]:
    with brokers.nats(tmp_path) as running:
        yield running


def listen(port: int, *filters: str, **settings: Any) -> MqttSource:
    login = {key: settings.pop(key) for key in ("client_id", "session") if key in settings}
    known = make_broker(f"mqtt://127.0.0.1:{port}", {}, login, None)
    return MqttSource("house", "house", known, filters or ("home/#",), pauses=QUICK, **settings)


async def publish(port: int, *messages: tuple[str, Any], qos: int = 1, retain: bool = False) -> None:
    async with aiomqtt().Client("127.0.0.1", port) as client:
        for topic, payload in messages:
            await client.publish(topic, payload, qos, retain)


async def connected(heard: Heard) -> None:
    await heard.until(lambda h: h.links and h.links[-1] == "found")


async def test_messages_become_events_on_topics_that_lead_back(broker: Broker) -> None:
    sent = [
        ("home/door/front", "open"),
        ("home/temp", "21.5"),
        ("home/json", '{"a": [1]}'),
        ("home/raw", b"\xff\x00"),
    ]
    async with hearing(listen(broker.port, "home/#", "none/+/x", qos=1)) as heard:
        await connected(heard)
        await publish(broker.port, *sent, ("other/x", "no"), ("none/1/x", "yes"))
        await heard.until(lambda h: len(h.told) >= 5)
    assert sorted(heard.told[:4]) == [
        ("house.home.door.front", "open"),
        ("house.home.json", {"a": [1]}),
        ("house.home.raw", b"\xff\x00"),
        ("house.home.temp", 21.5),
    ]
    assert heard.told[4] == ("house.none.1.x", "yes")
    assert {str(fields["label"]) for fields in heard.fields} == {"public, untrusted"}
    assert {f["metadata"]["mqtt.topic"] for f in heard.fields} == {
        topic for topic, _ in [*sent, ("none/1/x", "")]
    }


async def test_what_was_retained_is_marked(broker: Broker) -> None:
    await publish(broker.port, ("home/state", "on"), retain=True)
    async with hearing(listen(broker.port)) as heard:
        await heard.until(lambda h: h.told)
        await publish(broker.port, ("home/state", "off"), qos=0)
        await heard.until(lambda h: len(h.told) == 2)
    assert [(p, f["tags"]) for p, f in zip(heard.payloads, heard.fields, strict=True)] == [
        ("on", ("retained",)),
        ("off", ()),
    ]


async def test_the_sink_publishes_where_it_may(broker: Broker) -> None:
    sink = mqtt_sink("mqtt", url=f"mqtt://127.0.0.1:{broker.port}", allow=["home/lamp/+"], limit=100)
    act = next(iter(sink.actions())).function
    async with hearing(listen(broker.port)) as heard:
        await connected(heard)
        await act(topic="home/lamp/1", payload={"on": True})
        await act(topic="home/lamp/2", payload=b"\x00", qos=1)
        await heard.until(lambda h: len(h.told) == 2)
        for arguments, error in (
            ({"topic": "home/door"}, EgressRefused),
            ({"topic": "home/lamp/1/x"}, EgressRefused),
            ({"topic": "home/lamp/#"}, ActionFailed),
            ({"topic": "home/lamp/1", "qos": 2}, ActionFailed),
            ({"topic": "home/lamp/1", "payload": "x" * 101}, RemoteTooLarge),
        ):
            with pytest.raises(error):
                await act(**arguments)
    await sink.close()
    assert sorted(heard.told, key=str) == [
        ("house.home.lamp.1", {"on": True}),
        ("house.home.lamp.2", b"\x00"),
    ]


async def test_a_broker_that_comes_back_is_found_again_and_the_sink_goes_on(tmp_path: Path) -> None:
    with brokers.nats(tmp_path) as first:
        port = first.port
        sink = mqtt_sink("mqtt", url=f"mqtt://127.0.0.1:{port}", allow=["#"])
        act = next(iter(sink.actions())).function
        async with hearing(listen(port)) as heard:
            await connected(heard)
            await act(topic="home/x", payload="1")
            await heard.until(lambda h: h.told)
            await asyncio.to_thread(first.stop)
            await heard.until(lambda h: h.links[-1].startswith("lost"))
            with pytest.raises(RemoteFailed) as told:
                await act(topic="home/x", payload="2")
            assert told.value.retryable
            again = brokers.nats(tmp_path, port)
            await asyncio.to_thread(again.__enter__)
            try:
                await connected(heard)
                await act(topic="home/x", payload="3")
                await heard.until(lambda h: h.payloads[-1] == 3)
            finally:
                await asyncio.to_thread(again.__exit__, None, None, None)
        await sink.close()


async def test_with_a_session_nothing_of_qos_1_is_missed_and_nothing_is_acknowledged_too_early(
    broker: Broker,
) -> None:
    settings: dict[str, Any] = {"qos": 1, "client_id": "loom-1", "session": True}
    async with hearing(listen(broker.port, **settings)) as heard:
        await connected(heard)
        heard.room.clear()
        await publish(broker.port, ("home/n", "1"))
        await asyncio.sleep(0.3)  # it has arrived, and there is no room for it
        assert heard.told == []
    await publish(broker.port, ("home/n", "2"))
    async with hearing(listen(broker.port, **settings)) as heard:
        await heard.until(lambda h: {1, 2} <= set(h.payloads))
    async with hearing(listen(broker.port, **settings)) as heard:
        await connected(heard)
        await publish(broker.port, ("home/n", "3"))
        await heard.until(lambda h: 3 in h.payloads)
    assert heard.payloads == [3], "the others were acknowledged"


async def test_what_is_no_text_or_too_large_is_counted_and_left_out(nats: Broker) -> None:
    source = listen(nats.port, form="json", limit=10)
    async with hearing(source) as heard:
        await connected(heard)
        await publish(nats.port, ("home/a", "{"), ("home/b", "1" * 11), ("home/c", b"\xff"), ("home/d", "7"))
        await heard.until(lambda h: h.told)
    assert heard.told == [("house.home.d", 7)]
    assert source.statistics()["unreadable"] == 3


@pytest.mark.skipif(not brokers.MOSQUITTO, reason="mosquitto is not installed")
async def test_a_broker_that_sends_too_much_is_left_before_it_is_read(tmp_path: Path) -> None:
    with brokers.mosquitto(tmp_path) as running:
        async with hearing(listen(running.port, limit=MAX_PACKET + 1000)) as heard:
            await connected(heard)
            await publish(running.port, ("home/a", b"\xff" * (MAX_PACKET - 100)))
            await heard.until(lambda h: h.told)
            await publish(running.port, ("home/a", b"\xff" * (MAX_PACKET + 1)))
            await heard.until(lambda h: h.links[-1].startswith("lost"))
            await connected(heard)
    assert [len(p) for p in heard.payloads] == [MAX_PACKET - 100]


def test_no_announcement_is_believed_over_the_limit() -> None:
    read = bounded(bytes)
    assert len(read(MAX_PACKET)) == MAX_PACKET
    with pytest.raises(OSError, match="over the limit"):
        read(MAX_PACKET + 1)


def test_what_is_read_ahead_is_bounded_and_counted() -> None:
    queue = Ahead(2)
    for number in range(5):
        queue.put_nowait(number)
    assert (queue.qsize(), queue.shed) == (2, 3)
    assert AHEAD == 1000


@virtual_time
async def test_what_no_event_can_carry_is_counted_and_nobody_trips_twice() -> None:
    class Refusing(Heard):
        async def __call__(self, topic: Any, payload: Any = None, **fields: Any) -> Event:
            if payload == "bad":
                raise InvalidEvent("no")
            return await super().__call__(topic, payload, **fields)

    heard, counts = Refusing(), {"messages": 0, "unreadable": 0}
    for value in ("bad", "good"):
        await tell(heard, counts, "t", value)
    assert (heard.payloads, counts) == (["good"], {"messages": 1, "unreadable": 1})


async def test_a_password_from_the_environment_lets_in_and_a_wrong_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with brokers.nats(tmp_path, password="s3cret") as broker:
        for word, link in (("s3cret", "found"), ("wr0ng", "lost")):
            monkeypatch.setenv("E2_MQTT", word)
            source = mqtt(
                "house",
                url=f"mqtt://127.0.0.1:{broker.port}",
                topic="house",
                subscribe=["#"],
                username="loom",
                password="env:E2_MQTT",
            )
            async with hearing(source) as heard:
                await heard.until(lambda h: h.links)
            assert heard.links[0].startswith(link)
            assert word not in caplog.text + str(heard.links) + repr(source._broker)


async def test_tls_is_checked_against_the_name_though_the_address_is_connected_to(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with brokers.nats(tmp_path, tls=True) as running:
        for host, ca, link in (
            ("broker.test", "cert.pem", "found"),
            ("other.test", "cert.pem", "lost"),
            ("broker.test", None, "lost"),
        ):
            known = make_broker(f"mqtts://{host}:{running.port}", {"private": True}, {}, tmp_path, ca)
            from dataclasses import replace

            source = MqttSource("house", "house", replace(known, resolve=resolve), ["#"], pauses=QUICK)
            async with hearing(source) as heard:
                await heard.until(lambda h: h.links)
            assert heard.links[0].startswith(link), (host, ca, heard.links)


def test_what_is_wrong_in_the_configuration_is_told_at_the_start() -> None:
    good = {"url": "mqtt://127.0.0.1", "topic": "t", "subscribe": ["a"]}
    for settings in (
        {"url": "http://x"}, {"url": "mqtt://x/path"}, {"subscribe": []}, {"subscribe": ["a#"]}, {"qos": 2},
        {"password": "open"}, {"password": "env:E2_UNSET"}, {"session": True}, {"format": "xml"}, {"limit": 0},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            mqtt("m", **{**good, **settings})  # type: ignore[arg-type]


async def test_two_blocks_of_a_project_file_listen_and_publish(nats: Broker, tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{nats.port}"
    text = f'[sources.house]\nuse = "mqtt"\nurl = "{url}"\ntopic = "house"\nsubscribe = ["home/#"]\n'
    text += f'[actions.mqtt]\nuse = "mqtt"\nurl = "{url}"\nallow = ["home/#"]\n'
    loom = await project(tmp_path, text)
    probe, found = Probe(loom.bus, "house.>"), Probe(loom.bus, "loom.adapter.>")
    async with loom:
        await asyncio.wait([asyncio.create_task(found.wait(1))], timeout=0.5)
        async with asyncio.timeout(20):
            while not probe.count:
                await loom.call("mqtt.publish", topic="home/x", payload=json.dumps({"a": 1}))
                await asyncio.sleep(0.05)
    assert (probe.events[0].topic, probe.payloads[0]) == ("house.home.x", {"a": 1})
