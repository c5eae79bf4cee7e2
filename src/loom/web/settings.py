"""The settings of a gateway: where it listens, for whom, and its limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from loom.errors import ConfigError
from loom.event import Confidentiality, Label

PORT = 8420
KEYS = "gateway-keys.json"
LONGEST = 86_400
"""Seconds of a day."""
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """*host* (an address, or localhost) and *port* (0: any free one); *keys*: the file of the keys.

    *label* is what every request is at least, and *clearance* the most, where no keys are needed. *body* is the most
    bytes of a request, *connections* and *concurrency* how many connections and how many requests at once, *patience*
    how many seconds nothing may come from, or go to, a client, *timeout* how many seconds a request may take, *drain*
    how many it may go on when the runtime ends. *hosts* are names that it is called by besides addresses, *origins*
    the web pages that may use it. Raises ConfigError.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    keys: str = KEYS
    label: str = "public"
    clearance: str = "local-only"
    body: int = 10_000_000
    connections: int = 256
    concurrency: int = 64
    patience: float = 30.0
    timeout: float = 600.0
    drain: float = 10.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port is a number from 0 to 65535, not {self.port}")
        for name, least in (("body", 1024), ("connections", 1), ("concurrency", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is at least {least}, not {getattr(self, name)}")
        for name in ("patience", "timeout"):
            if not 0 < getattr(self, name) <= LONGEST:
                raise ConfigError(
                    f"{name} is more than 0 seconds, at most {LONGEST:,}, not {getattr(self, name)}"
                )
        if not 0 <= self.drain <= LONGEST:
            raise ConfigError(f"drain is 0 seconds or more, at most {LONGEST:,}, not {self.drain}")
        self.levels()
        self.address()

    def address(self) -> str:
        """The address to listen on; raises ConfigError for a name."""
        host = self.host.strip("[]")
        if host == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ConfigError(
                f"host is an address of this machine (127.0.0.1, 0.0.0.0, ::1), not {self.host!r}"
            ) from None

    def is_loopback(self) -> bool:
        """Whether only programs on this machine reach it."""
        return ipaddress.ip_address(self.address()).is_loopback

    def levels(self) -> tuple[Confidentiality, Confidentiality]:
        """*label* and *clearance*; raises ConfigError."""
        try:
            label, clearance = (Label.parse(each).confidentiality for each in (self.label, self.clearance))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if label > clearance:
            raise ConfigError(
                f"label = {self.label!r} is over clearance = {self.clearance!r}: nothing could be sent"
            )
        return label, clearance
