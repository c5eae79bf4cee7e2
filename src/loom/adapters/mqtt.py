"""MQTT: what a broker sends is an event on a topic that leads back to its own, and what agents publish goes there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._feed import as_format, check_format, check_range, tell
from loom.adapters._mqtt_client import Broker, acknowledge, aiomqtt, connected, failed, make_broker
from loom.adapters._mqtt_topics import check_filter, check_name, matches, to_loom, to_mqtt
from loom.adapters._retrying import Link, Pauses, keep
from loom.adapters.http_request import Content, encode
from loom.adapters.source import Out
from loom.errors import ActionFailed, ConfigError, EgressRefused, InvalidTopic, RemoteFailed, RemoteTooLarge

__all__ = ["MqttSink", "MqttSource", "mqtt", "mqtt_sink", "to_loom", "to_mqtt"]
FORMATS = ("auto", "json", "text", "bytes")


class MqttSource:
    """The source of some filters of a broker: MQTT's ``home/door`` is Loom's ``PREFIX.home.door``.

    ``metadata["mqtt.topic"]`` is the broker's topic, the tag ``retained`` says that a message is an old one. QoS 1 is
    acknowledged when the event was published; what finds no room ahead is counted as shed.
    """

    def __init__(
        self,
        name: str,
        prefix: str,
        broker: Broker,
        filters: Sequence[str],
        *,
        qos: int = 0,
        form: str = "auto",
        limit: int = 1_048_576,
        pauses: Pauses | None = None,
    ) -> None:
        self.name = name
        self.topics = (f"{prefix}.>",)
        self._prefix, self._broker, self._filters = prefix, broker, filters
        self._qos, self._form, self._limit = qos, form, limit
        self._pauses = pauses or Pauses()
        self._counts = {"connected": 0, "messages": 0, "unreadable": 0, "shed": 0}

    async def run(self, out: Out) -> None:
        """Listen until cancelled; a broker that goes away is connected to again."""

        async def connect(link: Link) -> bool:
            try:
                await self._listen(out, link)
            except (aiomqtt().MqttError, OSError) as error:
                raise failed(self._broker, error) from None
            return False

        await keep(Link(out, self._pauses), connect)

    def statistics(self) -> Mapping[str, object]:
        """How often it connected, messages told, messages that were none for us, and messages without room."""
        return dict(self._counts)

    async def _listen(self, out: Out, link: Link) -> None:
        async with connected(self._broker, by_hand=True) as client:
            granted = await client.subscribe([(text, self._qos) for text in self._filters])
            if any(getattr(code, "value", code) >= 0x80 for code in granted):
                raise RemoteFailed(f"{self._broker.feed.target.netloc} refuses {', '.join(self._filters)}")
            self._counts["connected"] += 1
            link.stands()
            shed = 0
            async for message in client.messages:
                link.works()
                self._counts["shed"] += client._queue.shed - shed
                shed = client._queue.shed
                await self._tell(out, message)
                acknowledge(client, message)

    async def _tell(self, out: Out, message: Any) -> None:
        name = str(message.topic)
        try:
            topic, value = to_loom(name, self._prefix), self._value(message.payload)
        except (InvalidTopic, RemoteFailed):
            self._counts["unreadable"] += 1
            return
        tags = ("retained",) if message.retain else ()
        await tell(out, self._counts, topic, value, metadata={"mqtt.topic": name}, tags=tags)

    def _value(self, payload: Any) -> Any:
        content = bytes(payload or b"")
        if len(content) > self._limit:
            raise RemoteTooLarge(f"a message of {len(content):,} bytes is over the limit of {self._limit:,}")
        if self._form == "bytes":
            return content
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            if self._form != "auto":
                raise RemoteFailed("this is no UTF-8 text", retryable=False) from None
            return content
        return content if self._form == "auto" and "\0" in text else as_format(self._form, text)


class MqttSink:
    """The capability ``NAME.publish``, on topics that one of its filters covers. One connection, made when needed."""

    def __init__(self, name: str, broker: Broker, allow: Sequence[str], limit: int = 262_144) -> None:
        self.name = name
        self._broker, self._allow, self._limit = broker, allow, limit
        self._lock = asyncio.Lock()
        self._open: AsyncExitStack | None = None
        self._client: Any = None

        @action(f"{name}.publish", timeout=2 * broker.timeout + 1)
        async def publish(topic: str, payload: Content = None, qos: int = 0, retain: bool = False) -> None:
            """Publish *payload* (text, bytes, or what has a JSON form) on the MQTT *topic*."""
            await self._publish(topic, payload, qos, retain)

        self._actions: list[Action] = [getattr(publish, ACTION)]

    def actions(self) -> Iterable[Action]:
        """``NAME.publish(topic, payload, qos, retain)``; raises EgressRefused, RemoteFailed, RemoteTooLarge."""
        return list(self._actions)

    async def close(self) -> None:
        """Leave the broker."""
        stack, self._open, self._client = self._open, None, None
        if stack is not None:
            await stack.aclose()

    async def _publish(self, topic: str, payload: Content, qos: int, retain: bool) -> None:
        content = self._checked(topic, payload, qos)
        async with self._lock:
            try:
                client = await self._connection()
                await client.publish(topic, content, qos, retain)
            except (aiomqtt().MqttError, OSError) as error:
                await self.close()
                raise failed(self._broker, error) from None
            except BaseException:  # cancelled in the middle of a packet: the connection is of no use
                await self.close()
                raise

    def _checked(self, topic: str, payload: Content, qos: int) -> bytes:
        try:
            check_name(topic)
        except InvalidTopic as error:
            raise ActionFailed(str(error)) from None
        if not any(matches(text, topic) for text in self._allow):
            raise EgressRefused(
                f"topic {topic!r:.200} is not among those of {self.name!r}; add it to allow = [...]"
            )
        if qos not in (0, 1):
            raise ActionFailed(f"qos is 0 or 1, not {qos}")
        content, _ = encode(payload)
        if len(content) > self._limit:
            raise RemoteTooLarge(f"a message of {len(content):,} bytes is over the limit of {self._limit:,}")
        return content

    async def _connection(self) -> Any:
        if self._client is not None and self._client._disconnected.done():
            await self.close()
        if self._client is None:
            stack = AsyncExitStack()
            self._client = await stack.enter_async_context(connected(self._broker))
            self._open = stack
        return self._client


def mqtt(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    topic: str,
    subscribe: list[str],
    qos: int = 0,
    format: str = "auto",
    username: str | None = None,
    password: str | None = None,
    client_id: str | None = None,
    session: bool = False,
    ca: str | None = None,
    private: bool = False,
    limit: int = 1_048_576,
) -> MqttSource:
    """``use = "mqtt"`` among sources: the filters *subscribe* of the broker at *url* (mqtt or mqtts), below *topic*.

    *password* is ``env:NAME`` or ``file:PATH``, *format* ``auto`` (JSON, text or bytes), ``json``, ``text``, ``bytes``.
    Raises ConfigError, MissingExtra.
    """
    if not subscribe or qos not in (0, 1):
        raise ConfigError('subscribe names filters, such as ["home/#"], and qos is 0 or 1')
    login = {"username": username, "password": password, "client_id": client_id, "session": session}
    broker = make_broker(url, {"private": private}, login, home, ca)
    return MqttSource(
        name,
        topic,
        broker,
        [check_filter(text) for text in subscribe],
        qos=qos,
        form=check_format(format, FORMATS),
        limit=int(check_range("limit", limit, 1, 2**28)),
    )


def mqtt_sink(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    allow: list[str] | None = None,
    username: str | None = None,
    password: str | None = None,
    client_id: str | None = None,
    ca: str | None = None,
    private: bool = False,
    limit: int = 262_144,
) -> MqttSink:
    """``use = "mqtt"`` among actions: ``NAME.publish`` on topics that a filter of *allow* covers; none by default.

    Raises ConfigError, MissingExtra.
    """
    login = {"username": username, "password": password, "client_id": client_id}
    broker = make_broker(url, {"private": private}, login, home, ca)
    filters = [check_filter(text) for text in allow or ()]
    return MqttSink(name, broker, filters, int(check_range("limit", limit, 1, 2**28)))
