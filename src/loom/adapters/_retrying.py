"""When to try a peer again: pauses that grow, that the peer may lengthen, and that one success ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from time import time

from loom.adapters.source import Out
from loom.errors import EgressRefused, RemoteFailed

LONGEST = 3600.0
"""The longest pause that a peer can ask for, seconds."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """*first* seconds after the first failure in a row, twice as long after each, at most *limit*."""

    first: float = 1.0
    limit: float = 60.0

    def after(self, failures: int, asked: float | None = None, chance: float = 0.5) -> float:
        """Seconds to wait after so many failures in a row; at least what the peer asked for, which is bounded.

        *chance*, 0 to 1, spreads it by a fifth each way, so that a thousand clients do not come back at once.
        """
        grown = min(self.limit, self.first * 2.0 ** min(failures - 1, 60))
        spread = grown * (0.8 + 0.4 * chance)
        return spread if asked is None else max(spread, min(asked, LONGEST))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds of a Retry-After header, which may be a date (*now* is Unix seconds); None without a usable one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None


class Link:
    """What one connection tells the loop that keeps it: that it stands, and for how long its peer wants peace."""

    def __init__(self, out: Out, pauses: Pauses, random: Random | None = None) -> None:
        self.failures = 0
        self.lost = 0
        self.asked: float | None = None
        self._out, self._pauses, self._random = out, pauses, random or Random()

    def stands(self) -> None:
        """It is there: told once."""
        self._out.found()

    def works(self) -> None:
        """It gave something: the next failure is the first in a row."""
        self.failures = 0

    async def pause(self, reason: str, asked: float | None = None) -> None:
        """Tell that it is gone, and wait as long as is due."""
        self.failures += 1
        self.lost += 1
        self._out.lost(reason)
        due = asked if asked is not None else self.asked
        await asyncio.sleep(self._pauses.after(self.failures, due, self._random.random()))


async def keep(link: Link, connect: Callable[[Link], Awaitable[bool]]) -> None:
    """Call *connect* again and again until it returns True: the peer wants no more. False, or an error: it is gone."""
    while True:
        try:
            if await connect(link):
                return
        except (RemoteFailed, EgressRefused) as error:
            await link.pause(str(error), getattr(error, "retry_after", None))
        else:
            await link.pause("the peer closed the connection")


def refused(shown: object, status: int, headers: Mapping[str, str]) -> RemoteFailed:
    """The failure of an HTTP status that is none of success."""
    asked = retry_after(headers, time())
    return RemoteFailed(f"{shown} answered {status}", status=status, retry_after=asked)
