"""From a text to one without what detectors find in it, and back."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence

from loom.errors import NotRedacted
from loom.privacy.finding import Detector, Finding, joined, merged, without
from loom.privacy.literals import Literals
from loom.privacy.placeholders import EXACT, Placeholders
from loom.privacy.slices import Slice, slices
from loom.privacy.steps import Steps, done
from loom.privacy.view import MASK, View, small, views

ROUNDS = 8
"""How often a text is looked at again because something was found in it; what still changes then is refused."""
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/_\-]{10,}+(?:\r?\n(?=[A-Za-z0-9+/_\-]))?+)++={0,2}")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{14,}+|[0-9A-Fa-f]{2}(?:[ :\-][0-9A-Fa-f]{2}){6,}+)")
_GAPS = {ord(char): None for char in " :-"}
_JOINED = re.compile("[\u0530-\u1dff\u2e80-\ud7ff\U00020000-\U0003ffff]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What may touch a value and is no part of it: scripts that put no spaces around foreign words, and emphasis."""
_NESTED = 2
_VIEW = 4  # a character is undisguised in the time that detectors look at so many
_PUT = 16  # characters that could be looked at while a placeholder is put in


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
        return done(self.redacting(text, conversation, again))

    def redacting(self, text: str, conversation: Conversation, again: bool = False) -> Steps[str]:
        """`redact` in steps."""
        for _ in range(ROUNDS):
            found, again = (yield from self.finding(text, conversation, again)), True
            if not found:
                return text
            at = 0
            pieces: list[str] = []
            for start, end, kind in found:
                pieces += (text[at:start], conversation.put(text[start:end], kind))
                at = end
                yield _PUT
            text = "".join([*pieces, text[at:]])
        raise NotRedacted(
            "a text in which hiding one thing shows another cannot be redacted; ask a local backend"
        )

    def find(self, text: str, conversation: Conversation, again: bool = False) -> list[Finding]:
        """What is to be hidden in *text* yet: disjoint, in order; *again*: detectors saw it all but what changed."""
        return done(self.finding(text, conversation, again))

    def finding(self, text: str, conversation: Conversation, again: bool = False) -> Steps[list[Finding]]:
        """`find` in steps: slice by slice."""
        found: list[Finding] = []
        for part in slices(text, max(self._known.longest, conversation.literals.longest)):
            here = yield from self._within(text[part.start : part.end], conversation, again)
            whole = [each for each in (part.whole(text, one) for one in here) if each is not None]
            joined(found, _spared(whole, part, text, conversation.placeholders))
        return found

    def _within(self, text: str, conversation: Conversation, again: bool) -> Steps[list[Finding]]:
        names = conversation.placeholders
        found = [Finding(*span, "TEXT") for span in names.lookalikes(text)]
        base = _masked(text, names)
        changed = base.around()
        for number, view in enumerate(views(base)):
            yield _VIEW * len(view.text)
            if again and (number == 0 or not changed):
                found += (
                    Finding(*view.span(a, b), kind)
                    for a, b, kind in self._told(small(view.text), conversation)
                )
            if again and not changed:
                continue
            if again and number == 0 and len(view.text) == len(base.text):
                view.windows = changed
            for at, end in view.windows:
                seen = yield from self._seen(view.text[at:end], conversation)
                found += (Finding(*view.span(at + start, at + stop), kind) for start, stop, kind in seen)
        return without(merged(found), names.holes(text))

    @property
    def has_known(self) -> bool:
        """Whether there are known values."""
        return bool(self._known)

    def knows(self, text: str) -> bool:
        """Whether one of the known values stands in *text*, as it is or disguised."""
        return done(self.knowing(text))

    def knowing(self, text: str) -> Steps[bool]:
        """`knows` in steps."""
        for part in slices(text, self._known.longest):
            for view in views(View(text[part.start : part.end])):
                yield _VIEW * len(view.text)
                if any(True for _ in self._known.find(small(view.text))):
                    return True
        return False

    def spanning(self, texts: Sequence[str], conversation: Conversation) -> bool:
        """Whether a value shows where redacted *texts* are put one after the other."""
        return done(self.meeting(texts, conversation))

    def meeting(self, texts: Sequence[str], conversation: Conversation) -> Steps[bool]:
        """`spanning` in steps."""
        text, both = "".join(texts), (self._known, conversation.literals)
        for part in slices(text, max(each.longest for each in both)):
            whole = small(_masked(text[part.start : part.end], conversation.placeholders).folded().text)
            yield len(whole)
            if any(True for each in both for _ in each.find(whole)):
                return True
        return False

    def _seen(self, text: str, conversation: Conversation) -> Steps[list[Finding]]:
        found = list(self._told(small(text), conversation))
        for each in _apart(text):
            for detector in self.detectors:
                found += detector.find(each)
                yield len(each)
        for start, end, inner in _encoded(text):
            if (yield from self._shows(inner, conversation, _NESTED)):
                found.append(Finding(start, end, "DATA"))
        return found

    def _told(self, low: str, conversation: Conversation) -> Iterator[Finding]:
        yield from self._known.find(low)
        yield from conversation.literals.find(low)

    def _shows(self, text: str, conversation: Conversation, depth: int) -> Steps[bool]:
        for view in views(View(text)):
            yield _VIEW * len(view.text)
            if any(True for _ in self._told(small(view.text), conversation)):
                return True
            for each in _apart(view.text):
                for detector in self.detectors:
                    if any(True for _ in detector.find(each)):
                        return True
                    yield len(each)
        if depth > 1:
            for _, _, inner in _encoded(text):
                if (yield from self._shows(inner, conversation, depth - 1)):
                    return True
        return False


def _spared(found: list[Finding], part: Slice, text: str, names: Placeholders) -> list[Finding]:
    """*found* without the placeholders that something took with it which reached out of its slice."""
    first = min((each.start for each in found), default=part.start)
    last = max((each.end for each in found), default=part.end)
    if first >= part.start and last <= part.end:
        return found
    holes = ((first + start, first + end) for start, end in names.holes(text[first:last]))
    return without(merged(found), holes)


def _apart(text: str) -> Sequence[str]:
    """*text*, and with its words set apart where they touch: Chinese has no space where a number begins."""
    apart = text if text.isascii() and "_" not in text else _JOINED.sub(" ", text)
    return (text,) if apart == text else (text, apart)


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
