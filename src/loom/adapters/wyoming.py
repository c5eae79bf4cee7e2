"""Wyoming satellites: they attach to Loom, or Loom to them; their sound is events, and answers go back as sound."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from weakref import WeakValueDictionary

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._egress import PORTS, classify, literal, normal_host, split_port
from loom.adapters._feed import Feed, make_feed
from loom.adapters._pinned import open_socket, pin
from loom.adapters._retrying import Link, Pauses, keep
from loom.adapters._wyoming_session import Session, Topics
from loom.adapters.source import Out
from loom.errors import ActionFailed, ConfigError, DeviceLost, EgressRefused, LoomError, RemoteFailed

log = logging.getLogger("loom.adapters.wyoming")
MOST = 8
"""Satellites that may be attached at a time."""
Network = IPv4Network | IPv6Network


class Satellites:
    """Who is attached: shared by the source that hears them and the sink that answers them."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}

    def free_id(self) -> str:
        """The smallest number that nobody has, so that topics stay few."""
        return next(str(n) for n in range(1, MOST + 2) if str(n) not in self.sessions)

    def find(self, id: str = "") -> Session:
        """The satellite *id*, or the one that was heard last; raises ActionFailed."""
        if id in self.sessions:
            return self.sessions[id]
        if id or not self.sessions:
            known = ", ".join(self.sessions) or "none"
            raise ActionFailed(f"no satellite {id!r:.80} is attached; there are {known}", retryable=True)
        return max(self.sessions.values(), key=lambda session: session.heard)


_SHARED: WeakValueDictionary[tuple[str, str], Satellites] = WeakValueDictionary()


def satellites_of(home: Path | None, name: str) -> Satellites:
    """The satellites of the source called *name* in the project at *home*, the same ones for all who ask."""
    key = (str(home or ""), name)
    return _SHARED.setdefault(key, Satellites())


class WyomingSource:
    """The source of satellites: sound on ``TOPIC.ID`` in chunks of 80 ms, requests on ``satellite.NAME.TYPE``.

    Sound never waits: what nobody has room for is shed and counted. A stream ends with a chunk that says ``last``, also
    when its satellite is gone.
    """

    def __init__(self, name: str, topic: str, satellites: Satellites) -> None:
        self.name = name
        self.topics: Sequence[str] = (f"{topic}.*", f"satellite.{name}.*")
        self.satellites = satellites
        self.port = 0
        self._topics = Topics(topic, f"satellite.{name}")
        self._counts = {"attached": 0, "refused": 0, "broken": 0}

    async def run(self, out: Out) -> None:
        """Serve until cancelled."""
        raise NotImplementedError

    def statistics(self) -> Mapping[str, object]:
        """Satellites that are there now, that came, that were refused, and that spoke another language."""
        return {"now": len(self.satellites.sessions), **self._counts}

    async def _attend(self, out: Out, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self.satellites.free_id(), writer, out, self._topics)
        self.satellites.sessions[session.id] = session
        self._counts["attached"] += 1
        try:
            await self._greet(session)
            await session.follow(reader)
        except RemoteFailed:
            self._counts["broken"] += 1
            raise
        except OSError as error:
            raise RemoteFailed(f"the satellite went away: {type(error).__name__}") from None
        finally:
            del self.satellites.sessions[session.id]
            session.close()

    async def _greet(self, session: Session) -> None:
        """Say the first word, if it is ours."""


class Listening(WyomingSource):
    """Satellites come to Loom: a TCP port on *host*, open to the machines of *peers*."""

    def __init__(
        self, name: str, topic: str, satellites: Satellites, where: tuple[str, int], peers: Sequence[Network]
    ) -> None:
        super().__init__(name, topic, satellites)
        self._where, self._peers = where, peers
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, out: Out) -> None:
        """Serve until cancelled; raises DeviceLost when the port cannot be had."""

        def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not self._welcome(writer):
                self._counts["refused"] += 1
                writer.transport.abort()
                return
            task = asyncio.get_running_loop().create_task(self._one(out, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        try:
            server = await asyncio.start_server(come, *self._where)
        except OSError as error:
            host, port = self._where
            raise DeviceLost(f"satellites cannot attach: port {port} of {host}: {error.strerror}") from None
        try:
            self.port = server.sockets[0].getsockname()[1]
            out.found()
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _welcome(self, writer: asyncio.StreamWriter) -> bool:
        peer = literal(str(writer.get_extra_info("peername")[0]))
        known = peer is not None and any(peer in network for network in self._peers)
        return known and len(self._tasks) < MOST

    async def _one(self, out: Out, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._attend(out, reader, writer)
        except LoomError as error:  # this satellite may come again, the others stay
            log.warning("source %s: a satellite was hung up on: %s", self.name, error)


class Calling(WyomingSource):
    """Loom comes to a satellite, as Home Assistant does: it is told that somebody listens, and called again."""

    def __init__(
        self, name: str, topic: str, satellites: Satellites, feed: Feed, pauses: Pauses | None = None
    ) -> None:
        super().__init__(name, topic, satellites)
        self._feed, self._pauses = feed, pauses or Pauses()

    async def run(self, out: Out) -> None:
        """Serve until cancelled."""

        async def connect(link: Link) -> bool:
            target = self._feed.target
            socket = await open_socket(target, await pin(target, self._feed.rules), 10.0)
            reader, writer = await asyncio.open_connection(sock=socket)
            link.stands()
            link.works()
            await self._attend(out, reader, writer)
            return False

        await keep(Link(out, self._pauses), connect)

    async def _greet(self, session: Session) -> None:
        session.send("run-satellite")


class WyomingSink:
    """What satellites do: ``NAME.play`` and its like as of a speaker, ``NAME.transcript``, ``NAME.detection``.

    Without *satellite* they mean the one that was heard last. They raise ActionFailed when none is attached.
    """

    def __init__(self, name: str, satellites: Satellites) -> None:
        self.name = name
        self.satellites = satellites
        self._actions = [*self._sounding(), *self._answering()]

    def actions(self) -> Iterable[Action]:
        """``play``, ``hold``, ``resume``, ``stop``, ``transcript`` and ``detection``."""
        return list(self._actions)

    async def close(self) -> None:
        """The source hangs up."""

    def _sounding(self) -> list[Action]:
        find = self.satellites.find

        @action(f"{self.name}.play", timeout=600, attempts=1)
        async def play(pcm: bytes, rate: int = 16_000, satellite: str = "") -> None:
            """Let signed 16-bit samples of one channel sound; returns when they have."""
            if not 1000 <= rate <= 192_000 or len(pcm) % 2:
                raise ActionFailed(
                    f"{len(pcm)} bytes at {rate} samples/s are no 16-bit sound of 1000 to 192000"
                )
            await find(satellite).play(pcm, rate)

        @action(f"{self.name}.hold", idempotent=True)
        async def hold(satellite: str = "") -> None:
            """Freeze what sounds."""
            find(satellite).hold()

        @action(f"{self.name}.resume", idempotent=True)
        async def resume(satellite: str = "") -> None:
            """Let what was held go on."""
            find(satellite).resume()

        @action(f"{self.name}.stop", idempotent=True)
        async def stop(satellite: str = "") -> None:
            """End what sounds."""
            find(satellite).stop()

        return [getattr(each, ACTION) for each in (play, hold, resume, stop)]

    def _answering(self) -> list[Action]:
        find = self.satellites.find

        @action(f"{self.name}.transcript")
        async def transcript(text: str, satellite: str = "", language: str = "") -> None:
            """Tell a satellite what was said."""
            find(satellite).send("transcript", {"text": text, **({"language": language} if language else {})})

        @action(f"{self.name}.detection")
        async def detection(phrase: str, satellite: str = "") -> None:
            """Tell a satellite that a wake phrase was heard."""
            find(satellite).send("detection", {"name": phrase})

        return [getattr(each, ACTION) for each in (transcript, detection)]


def wyoming(
    name: str,
    home: Path | None = None,
    *,
    topic: str,
    listen: str | None = None,
    connect: str | None = None,
    peers: list[str] | None = None,
    private: bool = False,
) -> WyomingSource:
    """``use = "wyoming"`` among sources: satellites come to *listen* (``host:port``), or Loom to *connect* (``tcp://...``).

    Satellites have no password, so Loom listens on the loopback unless *peers* lists addresses or networks that may
    come. Their sound is on *topic*.ID. Raises ConfigError.
    """
    if (listen is None) == (connect is None):
        raise ConfigError('set listen = "127.0.0.1:10700" or connect = "tcp://satellite:10700", one of them')
    satellites = satellites_of(home, name)
    if connect is not None:
        return Calling(name, topic, satellites, make_feed(connect, ("tcp",), {"private": private}, home=home))
    host, port = _where(str(listen))
    networks = [_network(text) for text in peers or ("127.0.0.0/8", "::1")]
    address = literal(host)
    if not peers and host != "localhost" and (address is None or classify(address) != "loopback"):
        raise ConfigError(
            f'listen = {listen!r} is open to others: list who may come, peers = ["192.168.1.20"]'
        )
    return Listening(name, topic, satellites, (host, port), networks)


def wyoming_sink(name: str, home: Path | None = None, *, source: str) -> WyomingSink:
    """``use = "wyoming"`` among actions: answers the satellites of the source called *source*."""
    return WyomingSink(name, satellites_of(home, source))


def _where(text: str) -> tuple[str, int]:
    try:
        host, port = split_port(text)
        address = literal(host)
        return (host if address else normal_host(host)).strip("[]"), PORTS["tcp"] if port is None else port
    except EgressRefused as error:
        raise ConfigError(f"listen = {text!r}: {error}") from None


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ConfigError(f"peers: {error}; write an address or a network such as '192.168.1.0/24'") from None
