"""Opening a file that anybody may have put there: never a link, a pipe or a device, never more than is allowed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import Any

from loom.desk.reading import MOST_BYTES, Refusal, read

RACY_MS = 2000  # a file that was read so soon after it was written may have been written again unseen


def look(path: str, known: list[Any]) -> dict[str, Any]:
    """What is at *path* now, when *known* is [size, mtime_ms, sure, digest] of what was read last, or [].

    The answer is JSON with one of: ``gone``, ``same``, ``reason`` (why not; with ``again`` when it will be told of
    again), or ``text`` and ``form``. With the last three come ``size``, ``mtime_ms``, ``sure`` and ``digest``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {"gone": True}
    except OSError as error:
        return {"reason": f"cannot be opened: {error.strerror or error}", "again": True}
    try:
        return _looked(path, handle, known)
    except OSError as error:
        return {"reason": f"cannot be read: {error.strerror or error}", "again": True}
    finally:
        os.close(handle)


def missing(paths: list[str], root: str) -> list[str]:
    """Which of *paths* are no files any more; none while *root* itself is away, as a stick that was pulled is."""
    if not os.path.isdir(root):
        return []
    return [path for path in paths if not os.path.isfile(path)]


def _looked(path: str, handle: int, known: list[Any]) -> dict[str, Any]:
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        return {"reason": "not an ordinary file", "again": True}
    stamp = [before.st_size, before.st_mtime_ns // 1_000_000]
    if known and known[2] and stamp == known[:2]:
        return {"same": True, **_stamped(stamp, known[3])}
    if before.st_size > MOST_BYTES:
        reason = f"too large: {before.st_size:,} bytes; at most {MOST_BYTES:,} are read"
        return {"reason": reason, **_stamped(stamp, "")}
    data = _bytes(handle)
    after = os.fstat(handle)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or len(
        data
    ) != after.st_size:
        return {"reason": "changes while it is being read: told again when it is left alone", "again": True}
    digest = hashlib.sha256(data).hexdigest()
    if known and digest == known[3]:
        return {"same": True, **_stamped(stamp, digest)}
    found = read(os.path.basename(path), data)
    said = (
        {"reason": found.reason} if isinstance(found, Refusal) else {"text": found.text, "form": found.form}
    )
    return {**said, **_stamped(stamp, digest)}


def _bytes(handle: int) -> bytes:
    parts: list[bytes] = []
    left = MOST_BYTES + 1
    while left and (part := os.read(handle, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _stamped(stamp: list[int], digest: str) -> dict[str, Any]:
    sure = time.time() * 1000 - stamp[1] > RACY_MS
    return {"size": stamp[0], "mtime_ms": stamp[1], "sure": sure, "digest": digest}
