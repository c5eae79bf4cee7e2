"""The keys of a gateway: made once, kept as hashes in a file that only its owner reads.

A key is 256 bits of chance, so one SHA-256 hides it: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.web.client import KINDS, Client, word

PREFIX = "loom-"
MOST_KEYS = 1_000
PERIODS = ("day", "total")
Stamp = tuple[int, int, int]
NO_FILE = (0, 0, 0)
_OTHERS = 0o077
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BUDGET = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)/(day|total)")
_FIELDS = ("hash", "clearance", "label", "models", "kinds", "max_cost", "budget", "period")


def hash_of(key: str) -> str:
    """What is kept of *key*."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def new_client(
    name: str, *, clearance: str = "public", label: str = "public", budget: str = "", **more: Any
) -> Client:
    """What a key called *name* may: the words of the command line, checked; raises ConfigError.

    *budget* is "1.0/day" or "20/total", in the unit of the prices; *more*: models, kinds, max_cost.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"a key's name is 1 to 64 letters, digits and ._-, not {name[:80]!r}")
    match = _BUDGET.fullmatch(budget) if budget else None
    if budget and match is None:
        raise ConfigError(f"a budget is an amount for a time, as in 1.0/day or 20/total, not {budget[:40]!r}")
    money, period = (float(match[1]), match[2]) if match else (None, "day")
    values = {"clearance": clearance, "label": label, "budget": money, "period": period, **more}
    return _client(name, values, f"key {name!r}")


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys that are known, by the hash of each; *needed*: nobody comes in without one, even if there is none."""

    clients: Mapping[str, Client] = field(default_factory=dict)
    needed: bool = False

    def __len__(self) -> int:
        return len(self.clients)

    def find(self, key: str) -> Client | None:
        """Whose *key* this is, None if nobody's; it takes as long for any key."""
        wanted, found = hash_of(key), None
        for known, client in self.clients.items():
            if hmac.compare_digest(known, wanted):
                found = client
        return found

    def with_key(self, client: Client) -> tuple[Ring, str]:
        """A new key for *client*, and the keys with it; raises ConfigError when there is one of this name."""
        if any(each.name == client.name for each in self.clients.values()):
            raise ConfigError(
                f"there is a key {client.name!r} already; take it back first, or give another name"
            )
        if len(self.clients) >= MOST_KEYS:
            raise ConfigError(f"there are {MOST_KEYS} keys, which is the most; take some back")
        key = PREFIX + secrets.token_urlsafe(32)
        return replace(self, clients={**self.clients, hash_of(key): client}), key

    def without(self, name: str) -> Ring:
        """The keys without the one called *name*; raises ConfigError when there is none."""
        left = {hashed: each for hashed, each in self.clients.items() if each.name != name}
        if len(left) == len(self.clients):
            names = ", ".join(sorted(each.name for each in self.clients.values())) or "none"
            raise ConfigError(f"there is no key {name[:80]!r}; there are {names}")
        return replace(self, clients=left)

    def text(self) -> str:
        """What the file of the keys holds."""
        keys = {client.name: {"hash": hashed, **_facts(client)} for hashed, client in self.clients.items()}
        return json.dumps({"keys": keys}, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str, where: str) -> Ring:
        """The keys in the *text* of a file called *where*; raises ConfigError."""
        try:
            entries = json.loads(text)["keys"].items()
            clients = {
                str(values["hash"]): _client(name, values, f"{where}: key {name!r}")
                for name, values in entries
            }
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{where} is no file of keys; `loom gateway key NAME` writes one") from None
        if any(not re.fullmatch(r"[0-9a-f]{64}", hashed) for hashed in clients):
            raise ConfigError(
                f"{where}: a hash is 64 hexadecimal digits; `loom gateway key NAME` writes them"
            )
        return cls(clients, needed=True)


class KeyFile:
    """The file of the keys: JSON, mode 0600."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> Ring:
        """The keys in it; none, and none needed, without a file.

        Raises ConfigError for a file that others may read, or that is damaged.
        """
        found, _ = self.look()
        return Ring() if found is None else found

    def look(self, before: Stamp | None = None) -> tuple[Ring | None, Stamp]:
        """The keys, and what is another when the file is; None if that is still as *before*. Raises like ``read``."""
        try:
            with open(self.path, encoding="utf-8") as file:
                seen = os.fstat(file.fileno())
                stamp = (seen.st_mtime_ns, seen.st_ino, stat.S_IMODE(seen.st_mode))
                text = "" if stamp == before else file.read(4_000_000)
        except FileNotFoundError:
            return Ring(), NO_FILE
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}") from None
        if stamp == before:
            return None, stamp
        if stamp[2] & _OTHERS:
            raise ConfigError(
                f"{self.path} may be read by others (mode {stamp[2]:04o}); run: chmod 600 {self.path}"
            )
        return Ring.parse(text, str(self.path)), stamp

    def write(self, ring: Ring) -> None:
        """Keep *ring*, on disk when this returns; the file is whole at any time."""
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            beside.unlink(missing_ok=True)
            with open(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(ring.text())
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from None

    def add(self, client: Client) -> str:
        """A new key for *client*: returned, and not to be seen again. Raises ConfigError."""
        ring, key = self.read().with_key(client)
        self.write(ring)
        return key

    def remove(self, name: str) -> None:
        """Take the key called *name* back; raises ConfigError when there is none."""
        self.write(self.read().without(name))


def _facts(client: Client) -> dict[str, Any]:
    return {
        "clearance": word(client.clearance), "label": word(client.label), "models": list(client.models),
        "kinds": list(client.kinds), "max_cost": client.max_cost, "budget": client.budget, "period": client.period,
    }  # fmt: skip


def _client(name: str, values: Mapping[str, Any], where: str) -> Client:
    for key in values:
        if key not in _FIELDS:
            raise ConfigError(f"{where} has {key!r}, which is none of {', '.join(_FIELDS)}")
    clearance, label = (
        _level(values.get(each, "public"), f"{where}: {each}") for each in ("clearance", "label")
    )
    if label > clearance:
        raise ConfigError(
            f"{where}: everything it sends is {word(label)}, and it is cleared for {word(clearance)}"
        )
    kinds = _words(values.get("kinds", ["*"]), f"{where}: kinds")
    if unknown := [each for each in kinds if each != "*" and each not in KINDS]:
        raise ConfigError(f"{where}: no kind {unknown[0]!r}; there are {', '.join(KINDS)}")
    period = values.get("period", "day")
    if period not in PERIODS:
        raise ConfigError(f"{where}: period is one of {', '.join(PERIODS)}, not {period!r}")
    models = _words(values.get("models", ["*"]), f"{where}: models")
    return Client(
        name,
        clearance,
        label,
        models,
        kinds,
        _amount(values, "max_cost", where),
        _amount(values, "budget", where),
        period,
    )


def _level(text: object, where: str) -> Confidentiality:
    words = {word(each): each for each in Confidentiality}
    if not isinstance(text, str) or text not in words:
        raise ConfigError(f"{where} is one of {', '.join(words)}, not {text!r}")
    return words[text]


def _words(values: object, where: str) -> tuple[str, ...]:
    if (
        not isinstance(values, list | tuple)
        or not values
        or not all(isinstance(e, str) and e for e in values)
    ):
        raise ConfigError(f"{where} is a list of words, not {values!r}")
    return tuple(values)


def _amount(values: Mapping[str, Any], name: str, where: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise ConfigError(f"{where}: {name} is an amount, not {value!r}")
    return float(value)
