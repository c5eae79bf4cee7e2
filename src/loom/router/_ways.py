"""In how many ways a regular expression may match from one place: what a search that goes back has to try. Pure."""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]  # the parser of re itself; not in its stubs
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

LONG = 500
"""Rounds from which on a repeat goes as far as the text does."""
_ONE = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_ALONE = (codes.ASSERT, codes.ASSERT_NOT, codes.ATOMIC_GROUP, codes.POSSESSIVE_REPEAT)
_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_USUAL = "".join(map(chr, range(128))) + "\u0660\u00e9\u0416\u4e2d\u2003\u2028\u2014\U0001f642"
_NEAR = 16
"""Characters of a range, from both of its ends, that stand for it."""
WORK = 300_000
"""Characters that are held against members of classes, before a pattern is too large to look through."""

Chars = frozenset[str]


class Ways(NamedTuple):
    """How many ways there are: the length of the text to the power of *degree*, times *factor*.

    *work* is the power of that length that says how many steps are taken to try them all.
    """

    degree: float = 0
    factor: float = 1.0
    work: float = 0

    def times(self, other: Ways) -> Ways:
        """One of these, then one of *other*."""
        work = max(self.work, self.degree + other.work)  # what follows is tried once in each of these ways
        return Ways(self.degree + other.degree, self.factor * other.factor, work)

    def often(self, rounds: int) -> Ways:
        """One of these in each of *rounds*."""
        if (self.degree, self.factor) == (0, 1):
            return self
        work = self.degree * (rounds - 1) + self.work
        try:
            return Ways(self.degree * rounds, self.factor**rounds, work)
        except OverflowError:
            return Ways(self.degree * rounds, inf, work)


def ways(tree: Any) -> Ways:
    """The most ways in which *tree*, as `re` parses it, matches from one place; OverflowError for too large a one.

    Counted are the places at which a repeat may stop and the alternatives that may be taken, where the next character
    does not decide: classes are compared by those characters that tell them apart, whatever their case.
    """
    return _Ways(frozenset("".join(_samples(tree)) + _USUAL)).row(list(tree), frozenset())


class _Ways:
    """*all* are the characters that stand for all."""

    def __init__(self, all: Chars) -> None:
        self._all, self._work = all, 0
        self._classes: dict[int, Chars] = {}

    def row(self, items: Sequence[Any], after: Chars) -> Ways:
        """Of *items* one after the other, before one of *after*."""
        total = Ways()
        for item in reversed(items):
            total = self._of(item, after).times(total)
            begins, empty = self._begins(item)
            after = begins | after if empty else begins
        return total

    def _of(self, item: Any, after: Chars) -> Ways:
        operator, argument = item
        if operator in _REPEATS:
            return self._repeat(argument, after)
        if operator is codes.BRANCH:
            return self._branch([list(each) for each in argument[1]], after)
        if operator is codes.SUBPATTERN:
            return self.row(argument[3], after)
        if operator is codes.GROUPREF_EXISTS:
            return _either([Ways(), *(self.row(each, after) for each in argument[1:] if each is not None)])
        if operator in _ALONE:  # once left it is not gone back into
            inner = [(codes.MAX_REPEAT, argument)] if operator is codes.POSSESSIVE_REPEAT else _inner(item)
            found = self.row(inner, frozenset())
            return found if found.degree > 1 or found.factor == inf else Ways(work=found.work)
        return Ways()

    def _repeat(self, argument: Any, after: Chars) -> Ways:
        least, most, body = argument
        begins, empty = self._row_begins(body)
        once = self.row(body, begins | after if most > 1 else after)
        if empty and most > 1:
            once = _either([once, Ways()])
        rounds = min(int(most), LONG)
        stops = Ways()
        if least != most and begins & after:
            stops = Ways(1) if rounds == LONG else Ways(0, rounds - least + 1.0)
        found = stops.times(once.often(rounds))
        return found._replace(work=max(found.work, rounds == LONG))

    def _branch(self, alternatives: Sequence[Sequence[Any]], after: Chars) -> Ways:
        alternatives = _by_letter(alternatives)
        each_ways = [self.row(each, after) for each in alternatives]
        seen: Chars = frozenset()
        for alternative in alternatives:
            begins, empty = self._row_begins(alternative)
            begins = begins | after if empty else begins
            if begins & seen:
                return _either(each_ways)
            seen |= begins
        worst = max(each_ways, default=Ways())
        return worst._replace(work=max((each.work for each in each_ways), default=0))

    def _row_begins(self, items: Any) -> tuple[Chars, bool]:
        found: Chars = frozenset()
        for item in items:
            begins, empty = self._begins(item)
            found |= begins
            if not empty:
                return found, False
        return found, True

    def _begins(self, item: Any) -> tuple[Chars, bool]:
        """The characters that *item* may begin with, and whether it may be empty."""
        operator, argument = item
        if operator in _ONE:
            return self._class(operator, argument), False
        if operator in _REPEATS or operator is codes.POSSESSIVE_REPEAT:
            begins, empty = self._row_begins(argument[2])
            return begins, empty or argument[0] == 0
        if operator in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
            return self._row_begins(_inner(item))
        if operator is codes.BRANCH:
            found = [self._row_begins(each) for each in argument[1]]
            return frozenset().union(*(chars for chars, _ in found)), any(empty for _, empty in found)
        if operator in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            return self._all, True
        return frozenset(), operator is not codes.FAILURE

    def _class(self, operator: Any, argument: Any) -> Chars:
        if operator is codes.LITERAL:
            return _cases(chr(argument))
        if operator is codes.NOT_LITERAL:
            return self._all - {chr(argument)}
        if operator is codes.ANY:
            return self._all
        if id(argument) not in self._classes:
            self._work += len(self._all) * len(argument)
            if self._work > WORK:
                raise OverflowError("its classes are too large")
            self._classes[id(argument)] = self._of_class(argument)
        return self._classes[id(argument)]

    def _of_class(self, argument: Any) -> Chars:
        members = [each for each in argument if each[0] is not codes.NEGATE]
        if len(members) < len(argument):
            return frozenset(c for c in self._all if not _all_in(c, members))
        return frozenset(c for c in self._all if any(_is_in(each, members) for each in _cases(c)))


def _inner(item: Any) -> list[Any]:
    operator, argument = item
    if operator is codes.ATOMIC_GROUP:
        return list(argument)
    return list(argument[3] if operator is codes.SUBPATTERN else argument[1])


def _either(found: Sequence[Ways]) -> Ways:
    return Ways(
        max(each.degree for each in found),
        sum(each.factor for each in found),
        max(each.work for each in found),
    )


def _by_letter(alternatives: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """*alternatives*, those that begin with the same letter made one: that letter, then what may follow it."""
    found: list[list[Sequence[Any]]] = []
    letters: dict[Any, list[Sequence[Any]]] = {}
    for each in alternatives:
        operator, argument = each[0] if each else (None, None)
        if operator is not codes.LITERAL:
            found.append([each])
        elif argument in letters:
            letters[argument].append(each)
        else:
            found.append(letters.setdefault(argument, [each]))
    return [
        each[0] if len(each) == 1 else [each[0][0], (codes.BRANCH, (None, [rest[1:] for rest in each]))]
        for each in found
    ]


def _cases(char: str) -> Chars:
    return frozenset(each for each in (char, char.lower(), char.upper(), char.swapcase()) if len(each) == 1)


def _all_in(char: str, members: Sequence[Any]) -> bool:
    return all(_is_in(each, members) for each in _cases(char))


def _is_in(char: str, members: Sequence[Any]) -> bool:
    return any(_fits(char, kind, value) for kind, value in members)


def _fits(char: str, kind: Any, value: Any) -> bool:
    if kind is codes.LITERAL:
        return bool(ord(char) == value)
    if kind is codes.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    return re.match(_CATEGORIES[value], char) is not None


def _samples(tree: Any) -> Iterator[str]:
    """Characters that tell the classes in *tree* apart."""
    for operator, argument in tree:
        if operator in (codes.LITERAL, codes.NOT_LITERAL):
            yield from _cases(chr(argument))
        elif operator is codes.IN:
            yield from _of_members(argument)
        else:
            for part in _parts(operator, argument):
                yield from _samples(part)


def _of_members(members: Any) -> Iterator[str]:
    for kind, value in members:
        if kind is codes.LITERAL:
            yield from _cases(chr(value))
        elif kind is codes.RANGE:
            low, high = max(0, value[0] - 1), min(0x10FFFF, value[1] + 1)
            yield from map(chr, range(low, min(low + _NEAR, high + 1)))
            yield from map(chr, range(max(low, high - _NEAR), high + 1))


def _parts(operator: Any, argument: Any) -> Iterator[Any]:
    if operator in _REPEATS or operator is codes.POSSESSIVE_REPEAT:
        yield argument[2]
    elif operator is codes.BRANCH:
        yield from argument[1]
    elif operator is codes.SUBPATTERN:
        yield argument[3]
    elif operator is codes.ATOMIC_GROUP:
        yield argument
    elif operator in (codes.ASSERT, codes.ASSERT_NOT):
        yield argument[1]
    elif operator is codes.GROUPREF_EXISTS:
        yield from (each for each in argument[1:] if each is not None)
