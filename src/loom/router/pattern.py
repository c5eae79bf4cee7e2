"""Regular expressions of strangers: only those whose time cannot explode, on no more text than they can take. Pure."""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]  # the parser of re itself; not in its stubs
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from loom.errors import ConfigError

LONGEST = 40_000
SEEN = 8_000
"""Characters of a text that a pattern looks at: its beginning and its end."""
MANY = 128
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)


@lru_cache(maxsize=1024)
def compiled(pattern: str, where: str, flags: int = 0) -> re.Pattern[str]:
    """*pattern*, checked; raises ConfigError for one that is none, is too long, or repeats what repeats."""
    if len(pattern) > LONGEST:
        raise ConfigError(f"{where}: a pattern of {len(pattern):,} characters; at most {LONGEST:,} are taken")
    try:
        tree = parser.parse(pattern, flags)
        found = re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where}: {pattern[:60]!r} is no pattern that Python knows: {error}") from None
    if _explodes(tree):
        raise ConfigError(
            f"{where}: {pattern[:60]!r} repeats what repeats, so that a text could keep it busy for ever"
        )
    return found


def window(text: str) -> str:
    """What of *text* is looked at."""
    half = SEEN // 2
    return text if len(text) <= SEEN else f"{text[:half]}\n{text[-half:]}"


def _explodes(tree: Any, outer: frozenset[str] | None = None) -> bool:
    """Whether an unbounded repeat holds another one that could take what the next round of the outer one begins with.

    *outer* are the characters that a round begins with, empty where that is not known; None outside of a repeat.
    """
    for operator, argument in tree:
        repeats = operator in _REPEATS and argument[1] > MANY
        if repeats and outer is not None and not (outer and _takes_none(argument[2], outer)):
            return True
        inner = _begins(argument[2]) if repeats else outer
        if any(_explodes(each, inner) for each in _inside(operator, argument)):
            return True
    return False


def _begins(tree: Any) -> frozenset[str]:
    """The characters that one round of *tree* begins with; empty where they are not all known."""
    if not len(tree):
        return frozenset()
    operator, argument = tree[0]
    if operator is codes.LITERAL:
        return frozenset({chr(argument).lower(), chr(argument).upper()})
    if operator is codes.SUBPATTERN:
        return _begins(argument[3])
    if operator is codes.BRANCH:
        found = [_begins(each) for each in argument[1]]
        return frozenset().union(*found) if all(found) else frozenset()
    return frozenset()


def _takes_none(tree: Any, characters: frozenset[str]) -> bool:
    """Whether what is repeated is one class of characters, and none of *characters* is in it."""
    if len(tree) != 1 or tree[0][0] is not codes.IN:
        return False
    return all(_outside(each, characters) for each in tree[0][1])


def _outside(member: Any, characters: frozenset[str]) -> bool:
    kind, value = member
    if kind is codes.LITERAL:
        return chr(value) not in characters
    if kind is codes.RANGE:
        return not any(value[0] <= ord(each) <= value[1] for each in characters)
    return value is codes.CATEGORY_SPACE and not any(each.isspace() for each in characters)


def _inside(operator: Any, argument: Any) -> Iterator[Any]:
    if operator in _REPEATS:
        yield argument[2]
    elif operator is codes.BRANCH:
        yield from argument[1]
    elif operator is codes.SUBPATTERN:
        yield argument[3]
    elif operator in (codes.ASSERT, codes.ASSERT_NOT):
        yield argument[1]
