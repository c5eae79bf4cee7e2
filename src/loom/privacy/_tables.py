"""Tables with a column of secrets: CSV and its like, and tables drawn with bars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loom.privacy._told import KEY, PASSWORD, is_dull, is_odd
from loom.privacy.finding import Finding

_NAME = (
    rf"(?:[\w.\-]{{0,24}}[_. \-])?(?:{PASSWORD}|{KEY}|secret|(?P<odd>token)|pin|cvv2?|cvc2?)"
    r"|[\w.\-]{1,24}[_.\-]pass"
)
_EDGE = re.compile(r"[ \"'`*]{0,3}(?:[,;|\t]|\r?$)", re.MULTILINE)
_CELL = re.compile(rf"(?:{_NAME})\Z", re.IGNORECASE)
_SPLIT = {
    char: re.compile(rf' *+(?:"((?:[^"\n]|"")*+)"|([^{char}\n]*+))[^{char}\n]*+(?:{char}|$)')
    for char in "|\t;,"
}
_SHORT = re.compile(r"[\w :#>=.\-()/\"'`*,;|\t\r]++\Z")
_TAIL = re.compile(r"[\w :#>=.\-()/'*,;|\t\r]++")
_LONGEST = 512
_LINE = re.compile(r"[^\n]++")
_RULE = re.compile(r"[\s|+:=\-]++\Z")
_MARKS = " \t\r\"'`*"


class _Table(NamedTuple):
    """Cells end with *by*; there are *width* of them, those in *secret* hold secrets.

    Those in *odd* only if they are no words: the table may be prose, or one of words that are called tokens.
    """

    by: str
    width: int
    secret: frozenset[int]
    odd: frozenset[int]


def columns(text: str, words: Iterable[re.Match[str]]) -> Iterator[Finding]:
    """The cells below a head that is one of *words*, such as "password"."""
    done = 0
    for head in words:
        if head.end() <= done or not _EDGE.match(text, head.end()):
            continue
        line = _LINE.match(text, text.rfind("\n", 0, head.end()) + 1)
        done = line.end() if line else head.end()
        table = _table(line[0]) if line else None
        while table and (row := _LINE.match(text, done + 1)):
            cells = list(_SPLIT[table.by].finditer(row[0]))
            if len(cells) == table.width:
                for at in table.secret:
                    yield from _secret(row.start(), cells[at], at in table.odd)
            elif not _RULE.match(row[0]):
                break
            done = row.end()


def _table(head: str) -> _Table | None:
    """The table that *head* begins, if it has several cells and one of them is called like a secret."""
    if len(head) > _LONGEST or not _SHORT.match(head):  # it may begin behind the quote of a string of JSON
        tail = _TAIL.match(head[: -_LONGEST - 1 : -1])
        head = tail[0][::-1] if tail else ""
    for by, split in _SPLIT.items():
        names = [(cell[1] or cell[2] or "").strip(_MARKS) for cell in split.finditer(head)]
        found = {at: match for at, name in enumerate(names) if (match := _CELL.match(name))}
        if found and len(names) > 2:  # the last is what stands behind the last mark: nothing
            loose = by == "," and ", " in head
            odd = frozenset(at for at, match in found.items() if loose or match["odd"])
            return _Table(by, len(names), frozenset(found), odd)
    return None


def _secret(start: int, cell: re.Match[str], odd: bool) -> Iterator[Finding]:
    group = 1 if cell[1] is not None else 2
    value = cell[group].strip(_MARKS)
    if (
        len(value) > 2
        and " " not in value
        and not is_dull(value)
        and (is_odd(value) if odd else not _RULE.match(value))
    ):
        begin = start + cell.start(group) + cell[group].index(value)
        yield Finding(begin, begin + len(value), "SECRET")
