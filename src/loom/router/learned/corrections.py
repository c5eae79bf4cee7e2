"""Whether what is said next says that the answer before was wrong."""

from __future__ import annotations

import re
from collections import OrderedDict

REMEMBERED = 1_000
"""Conversations whose last question is kept in mind."""
READ = 400
"""Characters of what is said that are looked at."""
_WRONG = re.compile(
    r"\W*(?:no[,.!]|nope\b|wrong\b|incorrect\b|that(?:'s| is| was) (?:not|wrong|incorrect)\b|not what i\b|"
    r"you(?:'re| are) wrong\b|try again\b|i (?:said|meant)\b|"
    r"nein[,.!]|falsch\b|das (?:ist|war|stimmt) (?:falsch|nicht)\b)"
)

Talk = tuple[str, str]
"""A user and a thread."""


def denies(text: str) -> bool:
    """Whether *text* says that the answer before it was wrong."""
    return _WRONG.match(_plain(text)) is not None


class Talks:
    """The last question of each conversation, with the decision that answered it; bounded, and without its text."""

    def __init__(self) -> None:
        self._last: OrderedDict[Talk, tuple[str, int]] = OrderedDict()

    def answered(self, talk: Talk, decision_id: str, text: str) -> None:
        """*text* was answered by that decision."""
        self._last[talk] = decision_id, hash(_plain(text))
        self._last.move_to_end(talk)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def said(self, talk: Talk, text: str) -> tuple[str, bool]:
        """The decision whose answer came before *text* ("" without one), and whether *text* corrects it."""
        decision_id, before = self._last.pop(talk, ("", 0))
        said = _plain(text)
        return decision_id, bool(decision_id and said) and (hash(said) == before or denies(said))


def _plain(text: str) -> str:
    return " ".join(text[:READ].lower().split())
