"""A connection to an MQTT broker: to the judged address, under its name, reading ahead within bounds."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loom.adapters._egress import Address
from loom.adapters._feed import Feed, make_feed
from loom.adapters._pinned import Resolve, look_up, pin
from loom.adapters._secrets import read_secret
from loom.errors import ConfigError, MissingExtra, RemoteFailed

AHEAD = 1000
"""Messages that are read ahead; more of QoS 0 are shed, more of QoS 1 stay with the broker."""
MAX_PACKET = 16_777_216
"""Bytes of a message before which the connection is cut: more is not read, whatever the broker announces."""
_QUIET = logging.Logger("loom.mqtt", logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who asks; with *session* it keeps what comes while this client is away."""

    feed: Feed
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str | None = None
    session: bool = False
    ca: Path | None = None
    timeout: float = 10.0
    keepalive: int = 30
    resolve: Resolve = look_up


class Ahead(asyncio.Queue[Any]):
    """What was read ahead; a message that finds no room is not kept, and counted."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.shed = 0

    def put_nowait(self, item: Any) -> None:
        """Keep *item* if there is room."""
        if self.full():
            self.shed += 1
            return
        super().put_nowait(item)


class _NamedContext(ssl.SSLContext):
    """Checks the certificate against the name, though the connection goes to an address."""

    name = ""
    socket: ssl.SSLSocket | None = None

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        self.socket = super().wrap_socket(sock, *args, **{**kwargs, "server_hostname": self.name})
        return self.socket


def make_broker(
    url: str, grants: dict[str, Any], login: dict[str, Any], home: Path | None, ca: str | None = None
) -> Broker:
    """The broker of a configuration: *login* has username, password, client_id, session. ConfigError, MissingExtra."""
    aiomqtt()
    feed = make_feed(url, ("mqtt", "mqtts"), grants, home=home)
    if feed.target.path != "/":
        raise ConfigError("url: a broker has no path; write mqtt://host:port")
    word, name, password = login.get("client_id"), login.get("username"), login.get("password")
    if login.get("session") and not word:
        raise ConfigError("session = true needs client_id = ..., by which the broker knows this client again")
    secret = None if password is None else read_secret(password, home, "password")
    if password is not None and secret is None:
        raise ConfigError("password is a secret and does not belong here: use env:NAME or file:PATH")
    user = None if name is None else read_secret(name, home, "username") or name
    trusted = None if ca is None else Path(home or ".", ca)
    return Broker(feed, user, secret, word, bool(login.get("session")), trusted)


@asynccontextmanager
async def connected(broker: Broker, *, by_hand: bool = False) -> AsyncIterator[Any]:
    """A connected aiomqtt client; *by_hand*: ``acknowledge`` does that. Raises EgressRefused, RemoteFailed."""
    target = broker.feed.target
    addresses = await pin(target, broker.feed.rules, broker.resolve)
    tls = await asyncio.to_thread(_trust, broker) if target.scheme == "mqtts" else None
    client = await _connect(broker, addresses, tls, by_hand)
    try:
        yield client
    finally:
        await _leave(client)


async def _connect(broker: Broker, addresses: list[Address], tls: _NamedContext | None, by_hand: bool) -> Any:
    error: Exception = RemoteFailed("no address")
    for address in addresses:
        client = aiomqtt().Client(
            str(address),
            broker.feed.target.port,
            username=broker.username,
            password=broker.password,
            identifier=broker.client_id,
            clean_session=not broker.session,
            logger=_QUIET,
            queue_type=Ahead,
            max_queued_incoming_messages=AHEAD,
            max_queued_outgoing_messages=AHEAD,
            tls_context=tls,
            timeout=broker.timeout,
            keepalive=broker.keepalive,
        )
        client._client.manual_ack_set(by_hand)
        client._client._sock_recv = bounded(client._client._sock_recv)
        client._client.connect_timeout = broker.timeout
        try:
            await client.__aenter__()
            return client
        except (aiomqtt().MqttError, OSError) as failure:
            _drop(client, tls)
            error = failure
        except BaseException:  # cancelled too: the connection is given back
            _drop(client, tls)
            raise
    raise failed(broker, error) from None


def _drop(client: Any, tls: _NamedContext | None) -> None:
    client._client._sock_close()
    if tls is not None and tls.socket is not None:
        tls.socket.close()  # the library forgets it when the handshake fails


async def _leave(client: Any) -> None:
    try:
        await client.__aexit__(None, None, None)
    except (aiomqtt().MqttError, OSError):
        pass  # it is gone already, which is what was wanted
    finally:
        client._client._sock_close()
        if client._disconnected.done() and not client._disconnected.cancelled():
            client._disconnected.exception()  # somebody has looked at it


def bounded(receive: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """*receive*, which reads what is left of a message, for messages of a size that somebody can mean."""

    def read(size: int) -> bytes:
        if size > MAX_PACKET:
            raise OSError(f"a message of {size:,} bytes is over the limit of {MAX_PACKET:,}")
        return receive(size)

    return read


def acknowledge(client: Any, message: Any) -> None:
    """Tell the broker that *message* has arrived for good."""
    if message.qos:
        client._client.ack(message.mid, message.qos)


def failed(broker: Broker, error: Exception) -> RemoteFailed:
    """The failure of a broker in words that hold no secret."""
    words = str(error) if isinstance(error, aiomqtt().MqttError) else type(error).__name__
    return RemoteFailed(f"{broker.feed.target.netloc} failed: {words}"[:300])


def _trust(broker: Broker) -> _NamedContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = broker.feed.target.host
    if broker.ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(broker.ca)
    return context


@cache
def aiomqtt() -> Any:
    """The package; raises MissingExtra."""
    try:
        import aiomqtt
    except ImportError:
        raise MissingExtra("mqtt", "aiomqtt") from None
    return aiomqtt
