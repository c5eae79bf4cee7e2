"""Moments as text: ISO 8601, then in brackets what that has no place for: ``2026-10-25T02:30:00[Europe/Berlin][fold]``.

With a named zone it is the wall time of that zone, without an offset: the rules of a zone may change while it is kept.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote, unquote

from loom.errors import StateError


def write_datetime(value: dt.datetime) -> str:
    """*value* as text; raises StateError for a time zone of a class that cannot be kept."""
    zone, notes = _zone(value)
    plain = dt.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, zone
    )
    return plain.isoformat() + notes


def read_datetime(text: str) -> dt.datetime:
    """The datetime of *text*; raises ValueError for anything else."""
    value: dt.datetime = _noted(dt.datetime.fromisoformat, text)
    return value


def write_time(value: dt.time) -> str:
    """*value* as text; raises StateError for a time zone of a class that cannot be kept."""
    zone, notes = _zone(value)
    return dt.time(value.hour, value.minute, value.second, value.microsecond, zone).isoformat() + notes


def read_time(text: str) -> dt.time:
    """The time of *text*; raises ValueError for anything else."""
    value: dt.time = _noted(dt.time.fromisoformat, text)
    return value


def read_timedelta(parts: list[int]) -> dt.timedelta:
    """The timedelta of days, seconds and microseconds; raises ValueError for anything else."""
    if type(parts) is list and len(parts) == 3 and set(map(type, parts)) == {int}:
        return dt.timedelta(*parts)
    raise ValueError(f"{parts!r:.40} is not [days, seconds, microseconds]")


def _zone(value: Any) -> tuple[dt.timezone | None, str]:
    """The zone that ISO 8601 can say, and the notes for the rest."""
    zone = value.tzinfo
    fold = "[fold]" if value.fold else ""
    if zone is None:
        return None, fold
    if type(zone) is dt.timezone:
        name = zone.__getinitargs__()[1:]  # type: ignore[attr-defined]
        return zone, (f"[={quote(name[0], errors='surrogatepass')}]" if name else "") + fold
    key = getattr(zone, "key", None)
    if type(zone).__name__ == "ZoneInfo" and isinstance(key, str):
        return None, f"[{key}]{fold}"
    raise StateError(
        f"{value!r:.80} has a time zone of class {type(zone).__qualname__}, which cannot be kept; "
        "use datetime.UTC, datetime.timezone or zoneinfo.ZoneInfo"
    )


def _noted(read: Any, text: str) -> Any:
    plain, *notes = text.split("[")
    value = read(plain)
    for note in notes:
        if not note.endswith("]"):
            raise ValueError(f"{text!r:.60} ends within brackets")
        value = value.replace(**_note(note[:-1], value))
    return value


def _note(note: str, value: Any) -> dict[str, Any]:
    if note == "fold":
        return {"fold": 1}
    if note.startswith("=") and isinstance(value.tzinfo, dt.timezone):
        name = unquote(note[1:], errors="surrogatepass")
        return {"tzinfo": dt.timezone(value.tzinfo.utcoffset(None), name)}
    from zoneinfo import ZoneInfo

    try:
        return {"tzinfo": ZoneInfo(note)}
    except (LookupError, OSError) as error:
        raise ValueError(f"this machine knows no time zone {note!r}; install tzdata") from error
