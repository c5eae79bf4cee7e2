"""Secrets of a configuration: where they come from, and how they stay out of everything that is shown."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from loom.adapters._headers import SECRET_NAMES, check_headers
from loom.errors import ConfigError, EgressRefused

_NAMED = re.compile(r"(.*?)\b(env|file):(\S+)\Z", re.DOTALL)
_OTHERS = 0o077  # the bits of a mode that let others in
_MOST = 65_536
_QUERY_NAMES = re.compile(r"(?i)token|secret|passw|api[-_]?key|auth|signature|\Akey\Z|\Asig\Z")
SHOWN = "***"


class Credentials:
    """Headers and query parameters that go with each request to the first origin of it; nothing here is ever shown."""

    __slots__ = ("_known", "headers", "query")

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        """Values ending in ``env:NAME`` or ``file:PATH`` (seen from *home*) are read now; raises ConfigError."""
        self._known: set[str] = set()
        self.headers = {
            n: self._value(n, v, home, n.lower() in SECRET_NAMES) for n, v in (headers or {}).items()
        }
        self.query = {
            n: self._value(n, v, home, bool(_QUERY_NAMES.search(n))) for n, v in (query or {}).items()
        }
        try:
            check_headers(self.headers)
        except EgressRefused as error:
            why = self.hide(str(error))
            raise ConfigError(f"headers: {why}") from None

    def hide(self, text: str) -> str:
        """*text* without the secrets that it may hold."""
        for secret in self._known:
            text = text.replace(secret, SHOWN)
        return text

    @property
    def known(self) -> frozenset[str]:
        """The secrets themselves, for whoever hides parts of them."""
        return frozenset(self._known)

    def __repr__(self) -> str:
        return f"<Credentials {', '.join([*self.headers, *self.query]) or 'none'}>"

    def _value(self, name: str, text: object, home: Path | None, secret: bool) -> str:
        if not isinstance(text, str):
            raise ConfigError(f"{name!r} must be text, not {type(text).__name__}")
        value = read_secret(text, home, name)
        if value is None:
            if secret:
                raise ConfigError(f"{name!r} is a secret and does not belong here: use env:NAME or file:PATH")
            return text
        self._known.add(value)
        match = _NAMED.match(text)
        return (match[1] if match else "") + value


def read_secret(text: str, home: Path | None, what: str) -> str | None:
    """The secret that *text* names by ``env:NAME`` or ``file:PATH``, None if it names none; raises ConfigError."""
    match = _NAMED.match(text)
    if match is None:
        return None
    value = (
        os.environ.get(match[3], "") if match[2] == "env" else _from_file(Path(home or ".", match[3]), what)
    )
    if not value:
        raise ConfigError(f"{what!r}: {match[2]}:{match[3]} is not set, or empty")
    return value


def _from_file(path: Path, what: str) -> str:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{what!r}: {path} cannot be read: {type(error).__name__}") from None
    try:
        _check_file(path, os.fstat(file), what)
        content = os.read(file, _MOST + 1)
    finally:
        os.close(file)
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        content = b""  # no traceback may show it
    raise ConfigError(f"{what!r}: {path} is not UTF-8 text")


def _check_file(path: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
        raise ConfigError(f"{what!r}: {path} is no ordinary file of at most {_MOST} bytes")
    if os.name == "posix" and found.st_mode & _OTHERS:
        raise ConfigError(
            f"{what!r}: {path} may be read by others (mode {stat.S_IMODE(found.st_mode):o}); chmod 600 it"
        )
