"""The door of the gateway: which requests come in at all, and as whom. Pure: headers in, a client or a refusal out.

A web page that a person of this machine looks at must not reach a server on loopback. It may try by an ordinary request
(it carries an `Origin`, or `Sec-Fetch-Site`), or under a name of its own that leads here (DNS rebinding: the `Host`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from loom.web.client import Client
from loom.web.refusal import Refusal

HEAD = 32_768
"""Bytes of headers at most."""
SINGLE = (
    b"host",
    b"origin",
    b"authorization",
    b"x-api-key",
    b"content-length",
    b"content-type",
    b"sec-fetch-site",
)


class Ring(Protocol):
    """The keys, as the door needs them."""

    @property
    def needed(self) -> bool: ...

    def find(self, key: str) -> Client | None: ...


@dataclass(frozen=True, slots=True)
class Door:
    """Names the gateway is called by, *origins* (pages) that may use it, and who comes where there are no keys."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    anybody: Client | None = None

    def check_place(self, headers: Mapping[bytes, bytes]) -> str:
        """The origin of the page that asks, empty for a program; raises Refusal for pages and names not allowed."""
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            raise Refusal(
                421,
                "host",
                f"this gateway is not called {host[:80]!r}; use its address or localhost, or add the name to hosts",
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin in self.origins:
            return origin
        if origin or headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise Refusal(
                403,
                "origin",
                f"web pages may not use this gateway ({origin[:80] or 'another site'}); see origins",
            )
        return ""

    def admit(self, headers: Mapping[bytes, bytes], ring: Ring) -> Client:
        """Who asks; raises Refusal (401) without a good key where keys are needed."""
        if not ring.needed and self.anybody is not None:
            return self.anybody
        key = _key(headers)
        if not key:
            raise Refusal(
                401,
                "no_key",
                "a key is needed: send Authorization: Bearer KEY (loom gateway key NAME makes one)",
            )
        client = ring.find(key)
        if client is None:
            raise Refusal(401, "invalid_key", "this key is not known here, or was taken back")
        return client

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        return name == "localhost" or name in self.hosts or _is_address(name)


def single(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; raises Refusal when one of SINGLE is there twice: readers would differ in which counts.

    So does a head of over HEAD bytes.
    """
    found: dict[bytes, bytes] = {}
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if size > HEAD:
            raise Refusal(431, "head_too_large", f"the headers have over {HEAD:,} bytes, which is the most")
        if name in found and name in SINGLE:
            raise Refusal(400, "invalid_header", f"the header {name.decode('latin-1')} is there twice")
        found[name] = value
    return found


@lru_cache(256)
def _is_address(name: str) -> bool:
    """Whether it is an address: no name, so nobody could let it lead here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _key(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"authorization", b"").decode("latin-1")
    kind, _, key = given.partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    return headers.get(b"x-api-key", b"").decode("latin-1").strip()
