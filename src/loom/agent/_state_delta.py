"""What changed between two kept states, and the kept state that a change leads to.

A change is a dict of fields, each with one of these, in which D is again any of them:

    ["=", value]                    the whole value
    ["+", tail]                     a list or text that grew at its end
    ["~", n, tail]                  a list that lost its first n items and grew at its end
    ["|", at, n, items]             a list in which n items from a place on were replaced
    ["[", {"index": D}]             a list of the same length of which few items changed
    ["s", gone, come]               a list in the order of ``ordered``, as sets are kept
    ["{", {"key": D}, gone]         an object: keys that changed or came, then keys that went
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loom.agent._state_form import is_ordered, ordered, size_of, text_of
from loom.errors import StoreCorrupt

Op = list[Any]
Delta = dict[str, Op]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Delta | None:
    """What leads from the kept state *old* to *new*, None when nothing does."""
    found = {}
    for name, value in new.items():
        op = change(old[name], value) if name in old else ["=", value]
        if op is not None:
            found[name] = op
    return found or None


def change(old: Any, new: Any) -> Op | None:
    """What leads from one kept value to another: never much longer than the new value, None when they are the same."""
    op = _diff(old, new)
    if op is None or op[0] in ("=", "+"):
        return op
    size = size_of(op)
    return op if size <= 2 * len(new) or size <= size_of(new) else ["=", new]


def _diff(old: Any, new: Any) -> Op | None:
    if old is new:
        return None
    kind = type(new)
    if type(old) is not kind:
        return ["=", new]
    if kind is dict:
        return _diff_objects(old, new)
    if kind is list:
        return _diff_lists(old, new)
    if kind is str and old and len(new) > len(old) and new.startswith(old):
        return ["+", new[len(old) :]]
    return None if same(old, new) else ["=", new]


def same(a: Any, b: Any) -> bool:
    """Whether two kept values have the same JSON: 1, 1.0 and True differ here, and so does the order of keys."""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is dict:
        return list(a) == list(b) and all(same(v, b[k]) for k, v in a.items())
    if kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if kind is float else bool(a == b)


def _diff_objects(old: dict[str, Any], new: dict[str, Any]) -> Op | None:
    found = {}
    for key, value in new.items():
        op = _diff(old[key], value) if key in old else ["=", value]
        if op is not None:
            found[key] = op
    gone = [key for key in old if key not in new]
    order = [key for key in old if key in new] + [key for key in new if key not in old]
    if order != list(new):
        return ["=", new]
    if not found and not gone:
        return None
    return ["{", found, gone] if gone else ["{", found]


def _diff_lists(old: list[Any], new: list[Any]) -> Op | None:
    head = _shared_head(old, new)
    if head == len(old):
        return None if head == len(new) else ["+", new[head:]]
    tail = _shared_tail(old[head:], new[head:])
    replaced, items = len(old) - head - tail, new[head : len(new) - tail]
    if replaced <= 1 and len(items) <= 1 and not (replaced and items):
        return ["|", head, replaced, items]
    found: list[Op] = [["|", head, replaced, items]]
    if len(old) == len(new):
        ops = {str(i): _diff(old[i], new[i]) for i in range(head, head + replaced)}
        found.append(["[", {i: op for i, op in ops.items() if op is not None}])
    if replaced > 1 or len(items) > 1:
        found += _rolled(old, new) + _patched_set(old, new)
    return min(found, key=size_of)


def _rolled(old: list[Any], new: list[Any]) -> list[Op]:
    kept = _overlap(old, new)
    return [["~", len(old) - kept, new[kept:]]] if kept else []


def _patched_set(old: list[Any], new: list[Any]) -> list[Op]:
    """What came and went, where both are in the order of sets."""
    if not (is_ordered(new) and is_ordered(old)):
        return []
    before, after = {text_of(v) for v in old}, {text_of(v) for v in new}
    gone = [v for v in old if text_of(v) not in after]
    return [["s", gone, [v for v in new if text_of(v) not in before]]]


def _shared_head(old: list[Any], new: list[Any]) -> int:
    for i, (a, b) in enumerate(zip(old, new, strict=False)):
        if a is not b and not same(a, b):
            return i
    return min(len(old), len(new))


def _shared_tail(old: list[Any], new: list[Any]) -> int:
    return _shared_head(old[::-1], new[::-1])


def _overlap(old: list[Any], new: list[Any]) -> int:
    """How many items at the end of *old* are the first ones of *new* (Knuth, Morris and Pratt: in one pass)."""
    if not new:
        return 0
    back, length = [0] * len(new), 0
    for i in range(1, len(new)):
        length = _follow(back, length, new, new[i])
        back[i] = length
    length = 0
    for value in old[1:]:
        length = _follow(back, back[length - 1] if length == len(new) else length, new, value)
    return length


def _follow(back: list[int], length: int, pattern: list[Any], value: Any) -> int:
    while length and not same(pattern[length], value):
        length = back[length - 1]
    return length + 1 if same(pattern[length], value) else 0


def apply(kept: Mapping[str, Any], delta: Mapping[str, Op]) -> dict[str, Any]:
    """The kept state that *delta* leads to; *kept* is not touched. Raises StoreCorrupt when it does not fit."""
    result = dict(kept)
    for name, op in delta.items():
        try:
            result[name] = op[1] if op[0] == "=" else _applied(kept[name], op)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StoreCorrupt(
                f"a change of the state field {name!r} does not fit the state before it "
                f"({type(error).__name__}: {error}); look closer with: loom store verify"
            ) from None
    return result


def _applied(value: Any, op: Op) -> Any:
    kind, *rest = op
    return rest[0] if kind == "=" else _APPLY[kind](value, *rest)


def _patch_object(value: dict[str, Any], changed: dict[str, Op], gone: Iterable[str] = ()) -> dict[str, Any]:
    result = dict(value)
    for key in gone:
        del result[key]
    for key, op in changed.items():
        result[key] = op[1] if op[0] == "=" else _applied(value[key], op)
    return result


def _patch_list(value: list[Any], changed: dict[str, Op]) -> list[Any]:
    result = list(value)
    for index, op in changed.items():
        result[int(index)] = _applied(result[int(index)], op)
    return result


def _patch_set(value: list[Any], gone: list[Any], come: list[Any]) -> list[Any]:
    texts = {text_of(v) for v in gone}
    return ordered([v for v in value if text_of(v) not in texts] + come)


def _roll(value: list[Any], count: int, tail: list[Any]) -> list[Any]:
    if not 0 <= count <= len(value):
        raise IndexError(f"{count} of {len(value)} items")
    return value[count:] + tail


def _splice(value: list[Any], at: int, count: int, items: list[Any]) -> list[Any]:
    if not 0 <= at <= at + count <= len(value):
        raise IndexError(f"{at} + {count} of {len(value)} items")
    return value[:at] + items + value[at + count :]


_APPLY: dict[str, Any] = {
    "+": lambda value, tail: value + tail,
    "~": _roll,
    "|": _splice,
    "[": _patch_list,
    "s": _patch_set,
    "{": _patch_object,
}
