"""From a text to one without what detectors find in it, and back."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence

from loom.errors import NotRedacted
from loom.privacy.finding import Detector, Finding, merged, without
from loom.privacy.literals import Literals
from loom.privacy.placeholders import EXACT, Placeholders
from loom.privacy.view import MASK, View, small, views

ROUNDS = 8
"""How often a text is looked at again because something was found in it; what still changes then is refused."""
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/_\-]{10,}+(?:\r?\n(?=[A-Za-z0-9+/_\-]))?+)++={0,2}")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{14,}+|[0-9A-Fa-f]{2}(?:[ :\-][0-9A-Fa-f]{2}){6,}+)")
_GAPS = {ord(char): None for char in " :-"}
_JOINED = re.compile("[\u0530-\u1dff\u2e80-\ud7ff\U00020000-\U0003ffff]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What may touch a value and is no part of it: scripts that put no spaces around foreign words, and emphasis."""
_NESTED = 2


class Conversation:
    """What one conversation hides: its placeholders, and its values as they are looked for."""

    __slots__ = ("literals", "placeholders")

    def __init__(self, placeholders: Placeholders) -> None:
        self.placeholders, self.literals = placeholders, Literals()

    def put(self, value: str, kind: str) -> str:
        """The placeholder of *value*, which is looked for everywhere from now on."""
        self.literals.add(value, kind)
        return self.placeholders.put(value, kind)

    def __repr__(self) -> str:
        return f"<Conversation {self.placeholders!r}>"


class Redaction:
    """Finds what *detectors* and *known* values say and hides it; holds no conversation itself."""

    def __init__(self, detectors: Sequence[Detector], known: Sequence[str] = ()) -> None:
        self.detectors = tuple(detectors)
        self._known = Literals()
        self.know(known)

    def know(self, values: Iterable[str]) -> None:
        """Hide *values* too, from now on, in any form."""
        for value in values:
            self._known.add(value, "WORD")

    def redact(self, text: str, conversation: Conversation, again: bool = False) -> str:
        """*text* with placeholders; raises NotRedacted when it hides too much, or something new with every look.

        The same again for what it returns; *again*: it was returned before, and looked at for what was found since.
        `conversation.placeholders.restore` gives *text* back.
        """
        for _ in range(ROUNDS):
            found, again = self.find(text, conversation, again), True
            if not found:
                return text
            at = 0
            pieces: list[str] = []
            for start, end, kind in found:
                pieces += (text[at:start], conversation.put(text[start:end], kind))
                at = end
            text = "".join([*pieces, text[at:]])
        raise NotRedacted(
            "a text in which hiding one thing shows another cannot be redacted; ask a local backend"
        )

    def find(self, text: str, conversation: Conversation, again: bool = False) -> list[Finding]:
        """What is to be hidden in *text* yet: disjoint, in order; *again*: detectors saw it all but what changed."""
        names = conversation.placeholders
        holes = names.holes(text)
        found = [Finding(*span, "TEXT") for span in names.lookalikes(text)]
        base = _masked(text, names)
        for number, view in enumerate(views(base)):
            if again and number == 0:
                found += (
                    Finding(*view.span(a, b), kind)
                    for a, b, kind in self._told(small(view.text), conversation)
                )
                view.windows = base.around() if len(view.text) == len(base.text) else view.windows
            for at, end in view.windows:
                seen = self._seen(view.text[at:end], conversation)
                found += (Finding(*view.span(at + start, at + stop), kind) for start, stop, kind in seen)
        return without(merged(found), holes)

    @property
    def has_known(self) -> bool:
        """Whether there are known values."""
        return bool(self._known)

    def knows(self, text: str) -> bool:
        """Whether one of the known values stands in *text*, as it is or disguised."""
        return any(True for view in views(View(text)) for _ in self._known.find(small(view.text)))

    def spanning(self, texts: Sequence[str], conversation: Conversation) -> bool:
        """Whether a value shows where redacted *texts* are put one after the other."""
        whole = small(_masked("".join(texts), conversation.placeholders).folded().text)
        return any(True for each in (self._known, conversation.literals) for _ in each.find(whole))

    def _seen(self, text: str, conversation: Conversation) -> Iterator[Finding]:
        yield from self._told(small(text), conversation)
        yield from self._detected(text)
        for start, end, inner in _encoded(text):
            if self._shows(inner, conversation, _NESTED):
                yield Finding(start, end, "DATA")

    def _detected(self, text: str) -> Iterator[Finding]:
        """What detectors find in *text*, also with its words set apart: Chinese has no space where a number begins."""
        apart = text if text.isascii() and "_" not in text else _JOINED.sub(" ", text)
        for each in (text,) if apart == text else (text, apart):
            for detector in self.detectors:
                yield from detector.find(each)

    def _told(self, low: str, conversation: Conversation) -> Iterator[Finding]:
        yield from self._known.find(low)
        yield from conversation.literals.find(low)

    def _shows(self, text: str, conversation: Conversation, depth: int) -> bool:
        for view in views(View(text)):
            low = small(view.text)
            if any(True for _ in self._told(low, conversation)):
                return True
            if any(True for _ in self._detected(view.text)):
                return True
        return depth > 1 and any(
            self._shows(inner, conversation, depth - 1) for _, _, inner in _encoded(text)
        )


def _masked(text: str, names: Placeholders) -> View:
    view = View(text)
    if names.nonce not in text:
        return view
    return view.edited(EXACT, lambda found: MASK if names.issued(found) else found)


def _encoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Runs of base64 or hexadecimal that hold a text, and that text; base64 read from each of four beginnings."""
    for match in _HEX.finditer(text):
        digits = match[0].translate(_GAPS)
        for offset in range(2):
            data = bytes.fromhex(digits[offset : len(digits) - (len(digits) - offset) % 2])
            if (inner := _readable(data)) is not None:
                yield *match.span(), inner
    for match in _BASE64.finditer(text):
        if match[0].lower() == match[0] or (match[0].isalpha() and match[0].isupper()):
            continue  # a word, or a number
        run = re.sub(r"[\r\n=]", "", match[0]).replace("-", "+").replace("_", "/")
        for offset in range(4):
            if (inner := _readable(_bytes(run[offset:]))) is not None:
                yield *match.span(), inner


def _bytes(run: str) -> bytes:
    whole = run[: len(run) - len(run) % 4] if len(run) % 4 == 1 else run + "=" * (-len(run) % 4)
    try:
        return base64.b64decode(whole)
    except binascii.Error:
        return b""


def _readable(data: bytes) -> str | None:
    """The text that *data* is for the most part, None when it is none."""
    text = data.decode(errors="replace")
    good = sum(map(str.isprintable, text)) + sum(map(text.count, "\r\n\t")) - text.count("\ufffd")
    return text if len(text) >= 6 and good * 10 >= len(text) * 8 else None
