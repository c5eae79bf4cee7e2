"""Messages of the Wyoming protocol as bytes and back, within limits. Pure.

A message is a line of JSON with a type and lengths, then that many bytes of JSON and that many bytes of payload
(https://github.com/OHF-Voice/wyoming). Satellites are strangers: every length is checked before anything is kept.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from loom.adapters._http_body import parse_json
from loom.errors import RemoteFailed, RemoteTooLarge

VERSION = "1.10.2"
MAX_LINE = 65_536
MAX_DATA = 262_144
MAX_PAYLOAD = 1_048_576


class Message(NamedTuple):
    """One message: its type, its data and its payload."""

    kind: str
    data: dict[str, Any]
    payload: bytes = b""


def encode(message: Message) -> bytes:
    """The bytes of *message*."""
    data = json.dumps(message.data, ensure_ascii=False).encode() if message.data else b""
    header: dict[str, Any] = {"type": message.kind, "version": VERSION}
    if data:
        header["data_length"] = len(data)
    if message.payload:
        header["payload_length"] = len(message.payload)
    return json.dumps(header).encode() + b"\n" + data + message.payload


class Decoder:
    """Fed with bytes, gives messages; keeps at most one message that is not complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._header: tuple[str, dict[str, Any], int, int] | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that are complete now; raises RemoteFailed and RemoteTooLarge for what is none."""
        self._rest += chunk
        found: list[Message] = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> Message | None:
        if self._header is None:
            end = self._rest.find(b"\n", self._searched)
            if (len(self._rest) if end < 0 else end) > MAX_LINE:
                raise RemoteTooLarge(f"a header line is over the limit of {MAX_LINE:,} bytes")
            if end < 0:
                self._searched = len(self._rest)
                return None
            self._header = _header(bytes(self._rest[:end]))
            del self._rest[: end + 1]
            self._searched = 0
        kind, data, more, size = self._header
        if len(self._rest) < more + size:
            return None
        if more:
            data = {**data, **_mapping(parse_json(bytes(self._rest[:more])))}
        payload = bytes(self._rest[more : more + size])
        del self._rest[: more + size]
        self._header = None
        return Message(kind, data, payload)


def _header(line: bytes) -> tuple[str, dict[str, Any], int, int]:
    header = _mapping(parse_json(line))
    kind = header.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= 100:
        raise RemoteFailed(f"a message has type {kind!r:.80}", retryable=False)
    lengths = [header.get(name) or 0 for name in ("data_length", "payload_length")]
    for length, limit in zip(lengths, (MAX_DATA, MAX_PAYLOAD), strict=True):
        if type(length) is not int or length < 0:
            raise RemoteFailed(f"a message has a length of {length!r:.80}", retryable=False)
        if length > limit:
            raise RemoteTooLarge(f"a part of {length:,} bytes is over the limit of {limit:,}")
    return kind, _mapping(header.get("data") or {}), lengths[0], lengths[1]


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RemoteFailed("a message is no JSON object", retryable=False)
    return value
