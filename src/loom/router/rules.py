"""Rules of a policy: when a request looks like this, ask those, or nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from loom.event import Confidentiality
from loom.models.model import ModelRequest
from loom.router.facts import empty
from loom.router.size import Size

READ = 65_536
"""Characters of a request that keywords are looked for in: the last ones."""


@dataclass(frozen=True, slots=True)
class When:
    """What a request must be like: everything that is given here must hold; nothing given holds for all.

    *keywords*: one of them stands in the text as a word of its own, whatever its case. *languages*: one of them is
    the signal ``language``. *label*: the request is at least as confidential. *min_tokens* and *max_tokens*, both
    included. *signals*: each has one of the values, or as a number is at least the one given. *every*, *some* and
    *never* are conditions within: all of them, one of them, none of them.
    """

    tasks: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    label: Confidentiality | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    signals: Mapping[str, tuple[str, ...] | float] = field(default_factory=empty)
    every: tuple[When, ...] = ()
    some: tuple[When, ...] = ()
    never: tuple[When, ...] = ()

    def holds(self, asked: Asked) -> bool:
        """Whether *asked* is like this."""
        return (
            self._sized(asked)
            and (not self.languages or str(asked.signals.get("language", "")).lower() in self.languages)
            and (
                not self.signals
                or all(_signalled(asked.signals.get(name), wanted) for name, wanted in self.signals.items())
            )
            and (not self.keywords or _stands_in(self.keywords, asked.text))
            and (not self.every or all(each.holds(asked) for each in self.every))
            and (not self.some or any(each.holds(asked) for each in self.some))
            and not (self.never and any(each.holds(asked) for each in self.never))
        )

    def _sized(self, asked: Asked) -> bool:
        tokens = asked.size.tokens_in
        return (
            (not self.tasks or asked.request.task in self.tasks)
            and (self.label is None or asked.request.label.confidentiality >= self.label)
            and (self.min_tokens is None or tokens >= self.min_tokens)
            and (self.max_tokens is None or tokens <= self.max_tokens)
        )


ALWAYS = When()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule called *name*: *when* it holds, one of *backends* is asked, in that order, or those of *route*, or nobody.

    *route* is ``local`` or ``cloud``; *refuse*: the request is dropped, *why* says the reason. *line* is where the rule
    was written, for messages.
    """

    name: str
    when: When = ALWAYS
    backends: tuple[str, ...] = ()
    route: str = ""
    refuse: bool = False
    why: str = ""
    line: str = ""


class Asked:
    """A request as rules look at it; its text is put together when the first keyword is looked for."""

    __slots__ = ("_text", "request", "signals", "size")

    def __init__(self, request: ModelRequest, size: Size, signals: Mapping[str, Any]) -> None:
        self.request, self.size, self.signals = request, size, signals
        self._text: str | None = None

    @property
    def text(self) -> str:
        """What the user wrote, the latest of it, without differences of case."""
        if self._text is None:
            self._text = text_of(self.request.input).casefold()
        return self._text


def text_of(value: object) -> str:
    """The text of an input: of a chat, what its user said; the last ``READ`` characters."""
    if isinstance(value, str):
        return value[-READ:]
    if not isinstance(value, list | tuple):
        return ""
    said = [each for each in _said(value) if isinstance(each, str)]
    return "\n".join(said)[-READ:]


def _said(messages: Iterable[object]) -> Iterable[object]:
    for each in messages:
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict) and each.get("role", "user") == "user":
            content = each.get("content")
            if isinstance(content, list | tuple):
                yield from (part.get("text") for part in content if isinstance(part, dict))
            else:
                yield content


def first(rules: Iterable[Rule], asked: Asked) -> Rule | None:
    """The first rule that holds for *asked*."""
    return next((rule for rule in rules if rule.when.holds(asked)), None)


def _signalled(value: object, wanted: tuple[str, ...] | float) -> bool:
    if value is None:
        return False
    if isinstance(wanted, tuple):
        return str(value) in wanted
    return isinstance(value, int | float) and value >= wanted


def _stands_in(keywords: tuple[str, ...], text: str) -> bool:
    """Whether one of *keywords* is in *text* where no letter or digit stands beside it."""
    folded, pattern = _words(keywords)
    return any(each in text for each in folded) and pattern.search(text) is not None


@lru_cache(maxsize=1024)
def _words(keywords: tuple[str, ...]) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """*keywords* without differences of case, and a pattern that finds each as a word of its own."""
    folded = tuple(each.casefold() for each in keywords)
    found = "|".join(re.escape(each) for each in sorted(folded, key=len, reverse=True))
    return folded, re.compile(rf"(?<!\w)(?:{found})(?!\w)")
