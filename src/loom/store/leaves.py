"""Large leaves: long texts and bytes inside JSON-able values are kept once, by what they hold.

A leaf that was taken out leaves ``{"$leaf": "t<digest>"}`` in its place (``b`` for bytes). An object of the user that
looks like that is written with one ``$`` more, and loses it when it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from loom.errors import StoreCorrupt

THRESHOLD = 512
"""UTF-8 bytes from which on a leaf is kept by itself: a reference takes 44."""

_LEAF = "$leaf"


def split(value: Any, threshold: int = THRESHOLD) -> tuple[Any, dict[bytes, bytes]]:
    """*value* with references for its texts and bytes of *threshold* or more UTF-8 bytes, and those by digest.

    *value* is made of dicts, lists, tuples, texts, numbers, None and bytes; what holds no such leaf is shared with it.
    """
    leaves: dict[bytes, bytes] = {}
    return _split(value, threshold, leaves), leaves


def maybe_split(text: str | bytes, value: Any, threshold: int = THRESHOLD) -> tuple[Any, dict[bytes, bytes]]:
    """Like ``split`` for a *value* whose JSON is *text*, as json.dumps made it: a short one need not be walked."""
    if len(text) < threshold and not _has_mark(text) and _size(text) < threshold:
        return value, {}
    return split(value, threshold)


def unite(value: Any, load: Callable[[bytes], bytes | None]) -> Any:
    """The value that ``split`` took apart; *load* finds the bytes of a digest.

    Raises StoreCorrupt for a leaf that *load* knows nothing of (None), and for one that is not what its digest says.
    """
    if isinstance(value, list):
        return _each(value, lambda v: unite(v, load))
    if not isinstance(value, dict):
        return value
    mark = _mark(value)
    if mark == _LEAF:
        return _read(value[mark], load)
    united = _each_value(value, lambda v: unite(v, load))
    return united if mark is None else {mark[1:]: united[mark]}


def maybe_unite(text: str | bytes, value: Any, load: Callable[[bytes], bytes | None]) -> Any:
    """Like ``unite`` for a *value* that was read from *text*: without a reference in it there is nothing to do."""
    return unite(value, load) if _has_mark(text) else value


def references(value: Any) -> set[bytes]:
    """The digests that a value of ``split`` refers to; raises StoreCorrupt for one that is none."""
    found: set[bytes] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and _mark(value) == _LEAF:
            found.add(_digest(value[_LEAF])[1])
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return found


def digest_of(kind: str, data: bytes) -> bytes:
    """The 16 bytes that stand for *data*; *kind* is ``t`` for text and ``b`` for bytes."""
    return blake2b(data, digest_size=16, person=kind.encode()).digest()


def _split(value: Any, threshold: int, leaves: dict[bytes, bytes]) -> Any:
    if isinstance(value, str):
        if 4 * len(value) < threshold:
            return value
        data = value.encode("utf-8", "surrogatepass")
        return _take("t", data, leaves) if len(data) >= threshold else value
    if isinstance(value, bytes):
        return _take("b", value, leaves) if len(value) >= threshold else value
    if isinstance(value, list | tuple):
        return _each(value, lambda v: _split(v, threshold, leaves))
    if not isinstance(value, dict):
        return value
    result = _each_value(value, lambda v: _split(v, threshold, leaves))
    mark = _mark(value)
    return result if mark is None else {f"${mark}": result[mark]}


def _take(kind: str, data: bytes, leaves: dict[bytes, bytes]) -> dict[str, str]:
    digest = digest_of(kind, data)
    leaves[digest] = data
    return {_LEAF: kind + digest.hex()}


def _read(reference: object, load: Callable[[bytes], bytes | None]) -> str | bytes:
    kind, digest = _digest(reference)
    data = load(digest)
    if data is None or digest_of(kind, data) != digest:
        wrong = "is missing" if data is None else "is not what was kept"
        raise StoreCorrupt(f"the large value {reference} {wrong}; look closer with: loom store verify")
    return data if kind == "b" else data.decode("utf-8", "surrogatepass")


def _digest(reference: object) -> tuple[str, bytes]:
    """Kind and digest that a reference names."""
    if isinstance(reference, str) and len(reference) == 33 and reference[0] in "tb":
        try:
            return reference[0], bytes.fromhex(reference[1:])
        except ValueError:
            pass
    raise StoreCorrupt(f"{reference!r:.60} refers to no large value; look closer with: loom store verify")


def _mark(value: dict[Any, Any]) -> str | None:
    """The one key of an object that is a reference, or that would be taken for one or for an escaped one."""
    if len(value) == 1:
        key = next(iter(value))
        if isinstance(key, str) and key[:1] == "$" and key.lstrip("$") == "leaf":
            return key
    return None


def _has_mark(text: str | bytes) -> bool:
    return b'$leaf"' in text if isinstance(text, bytes) else '$leaf"' in text


def _size(text: str | bytes) -> int:
    """UTF-8 bytes of *text*."""
    return (
        len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    )


def _each(items: Any, change: Callable[[Any], Any]) -> Any:
    """*items* changed one by one: the same object when none did."""
    changed = [change(v) for v in items]
    return items if all(a is b for a, b in zip(changed, items, strict=True)) else changed


def _each_value(value: dict[Any, Any], change: Callable[[Any], Any]) -> dict[Any, Any]:
    items = list(value.values())
    changed = _each(items, change)
    return value if changed is items else dict(zip(value, changed, strict=True))
