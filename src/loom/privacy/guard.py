"""What stands between a conversation and whoever may not see all of it: labels that stick, redaction both ways."""

from __future__ import annotations

import json
import secrets as lots
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from loom.errors import ConfigError, NotRedacted
from loom.event import Label
from loom.privacy.detectors import make_detectors
from loom.privacy.finding import KINDS, Detector
from loom.privacy.labels import THREADS, Keep, ThreadLabels
from loom.privacy.literals import SHORTEST
from loom.privacy.nested import Leaf, mapped, readable, reading, said, texts
from loom.privacy.placeholders import LETTERS, LONGEST, NONCE, USUAL, Limits, Placeholders, Scalar
from loom.privacy.redaction import Conversation, Redaction
from loom.privacy.restoring import Restoring
from loom.privacy.slices import SLICE
from loom.privacy.steps import Line, Steps, done

CONVERSATIONS = 256
"""How many threads keep their placeholders; the one that was idle longest begins anew."""
SHOWN = 65_536
"""How many characters of what was sent an audit shows."""
PASSES = 4
"""How often a request is looked at again because of what was found late in it."""
_FIGURES = 7  # a shorter number is no card, no phone
_CODE = 3  # a shorter value is no password, not even the code of a card


class Request(Protocol):
    """A frozen dataclass with these fields, such as ``loom.models.ModelRequest``."""

    @property
    def input(self) -> object: ...

    @property
    def options(self) -> Mapping[str, object]: ...

    @property
    def thread(self) -> str | None: ...

    @property
    def user(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Audit:
    """What was sent: *input* and *options* after redaction, and how many values of each kind they hide; no value."""

    input: object
    options: Mapping[str, object]
    kinds: Mapping[str, int]

    def facts(self) -> Mapping[str, Any]:
        """All of it for an event: as it was sent, or its first SHOWN characters as one text when it is longer."""
        text = json.dumps([self.input, self.options], ensure_ascii=False)
        whole = {"input": self.input, "options": dict(self.options)}
        shown = whole if len(text) <= SHOWN else {"text": text[:SHOWN], "characters": len(text)}
        return {**shown, "redacted": dict(self.kinds)}


@dataclass(frozen=True, slots=True)
class Outbound:
    """A *request* that may leave, what was *sent*, and the way back for what is answered."""

    request: Any
    sent: Audit
    _names: Placeholders = field(repr=False)
    _as_json: bool = False

    def restore(self, output: object) -> Any:
        """*output*, nested or not, with values for placeholders; what is no tree of texts stays as it is."""
        if isinstance(output, str):
            return self._names.restore(output, self._as_json)
        if isinstance(output, Mapping):
            parts = ((key, self._field(key, value)) for key, value in output.items())
            return {self._names.restore(key) if isinstance(key, str) else key: value for key, value in parts}
        if isinstance(output, list | tuple):
            return [self._inner(value) for value in output]
        return output

    def _field(self, key: object, value: object) -> object:
        """The text of an answer is restored as a text, what a tool is called with as values."""
        return self.restore(value) if key == "text" else self._inner(value)

    def _inner(self, value: object) -> object:
        if isinstance(value, str):
            whole = self._names.value(value)
            return self._names.restore(value) if whole is None else whole
        if isinstance(value, Mapping):
            return {
                self._names.restore(k) if isinstance(k, str) else k: self._inner(v) for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._inner(part) for part in value]
        return value

    def restoring(self) -> Restoring:
        """The same for a stream of pieces, wherever they are split."""
        return Restoring(self._names, self._as_json)


class Guard:
    """Labels that stick to threads, and redaction of what leaves, with placeholders of each thread's own.

    *detectors*: the core's unless given (see `make_detectors`). *secrets* are texts that never leave in any form,
    such as the keys of backends; each has at least SHORTEST characters, or ConfigError is raised. *keep* keeps the
    labels of threads over restarts; *chance* draws one of a sequence of letters.
    """

    def __init__(
        self,
        detectors: Sequence[Detector] | None = None,
        *,
        secrets: Sequence[str] = (),
        keep: Keep | None = None,
        limits: Limits = USUAL,
        chance: Callable[[Sequence[str]], str] = lots.choice,
    ) -> None:
        self._redaction = Redaction(make_detectors() if detectors is None else detectors)
        self.know(secrets)
        self._limits, self._chance = limits, chance
        self._labels = ThreadLabels(keep, THREADS)
        self._conversations: OrderedDict[tuple[str, str], Conversation] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._line = Line()

    def know(self, secrets: Iterable[str]) -> None:
        """Let *secrets* never leave either, from now on; raises ConfigError for one that is too short."""
        values = list(secrets)
        if any(not isinstance(each, str) or len(each.strip()) < SHORTEST for each in values):
            raise ConfigError(f"a secret to be kept needs {SHORTEST} characters or more; one here has fewer")
        self._redaction.know(values)

    def label(self, thread: str | None, label: Label) -> Label:
        """*label* joined with what *thread*, or a relative of it, once held; remembered. Never lower than *label*."""
        return self._labels.raised(thread, label)

    async def saved(self) -> None:
        """Returns when the labels of threads are kept; to be awaited before a reply is given."""
        await self._labels.save()

    def redactable(self, input: object, options: Mapping[str, object] | None = None) -> bool:
        """Whether *input* and *options* are texts, or trees of them, of a size that `outbound` takes."""
        return readable(input, options or {})

    async def redactable_in_turns(self, input: object, options: Mapping[str, object]) -> bool:
        """`redactable` for an event loop: while a long input is looked at, others have their turns."""
        return await self._line.through(reading(input, options))

    def holds_secret(self, input: object, options: Mapping[str, object] | None = None) -> bool:
        """Whether one of the known secrets stands in *input* or *options*, which then leave redacted or not at all."""
        return done(self._holding(input, options or {}))

    async def holds_secret_in_turns(self, input: object, options: Mapping[str, object]) -> bool:
        """`holds_secret` for an event loop: while a long input is looked at, others have their turns."""
        return await self._line.through(self._holding(input, options))

    def outbound(self, request: Any) -> Outbound:
        """*request* as it may leave: placeholders for all that detectors find in its input and options.

        Raises NotRedacted for what is no text, too large, or hides more than a conversation may.
        """
        return done(self._leaving(request))

    async def outbound_in_turns(self, request: Any) -> Outbound:
        """`outbound` for an event loop: while a long request is looked at, others have their turns."""
        return await self._line.through(self._leaving(request))

    def statistics(self) -> Mapping[str, object]:
        """Conversations with placeholders, threads with a label above public, and values hidden by kind."""
        return {
            "conversations": len(self._conversations),
            "labelled": len(self._labels),
            "hidden": dict(self._counts),
        }

    def __repr__(self) -> str:
        return f"<Guard {', '.join(each.name for each in self._redaction.detectors)}>"

    def _holding(self, input: object, options: Mapping[str, object]) -> Steps[bool]:
        if self._redaction.has_known:
            for text in texts([input, options]):
                if (yield from self._redaction.knowing(text)):
                    return True
            return (yield from self._redaction.knowing("".join(said(input))))
        return False

    def _leaving(self, request: Any) -> Steps[Outbound]:
        if not (yield from reading(request.input, request.options)):
            raise NotRedacted(
                "an input that is no text, too large, too deep, or seems to hold a file in base64, cannot be redacted; "
                "ask a local backend"
            )
        conversation = self._conversation(request)
        sent, options = yield from self._hidden(request.input, request.options, conversation)
        shown = texts([sent, options])
        for texts_in_order in (shown, said(sent)):
            if (yield from self._redaction.meeting(texts_in_order, conversation)):
                raise NotRedacted("a value that is hidden shows where two texts meet; ask a local backend")
        audit = Audit(sent, options, (yield from _kinds(shown, conversation.placeholders)))
        self._counts.update(audit.kinds)
        changed = replace(request, input=sent, options=options)
        return Outbound(changed, audit, conversation.placeholders, options.get("schema") is not None)

    def _hidden(
        self, input: object, options: Mapping[str, object], conversation: Conversation
    ) -> Steps[tuple[object, dict[str, object]]]:
        """Both redacted; again when values were found that may stand in what was looked at before."""
        hidden = dict(options)
        for number in range(PASSES):
            known, again = len(conversation.placeholders), number > 0
            input = yield from mapped(input, self._leaf(conversation, "", again))
            for name, value in hidden.items():
                if not isinstance(value, int | float):  # a seed or a temperature is the caller's and stays
                    hidden[name] = yield from mapped(value, self._leaf(conversation, name, again))
            if len(conversation.placeholders) == known:
                break
        return input, hidden

    def _leaf(self, conversation: Conversation, where: str, again: bool) -> Leaf:
        def leaf(value: Scalar, told: bool) -> Steps[object]:
            hidden = told and where not in ("schema", "tools") and len(str(value).strip()) >= _CODE
            if not isinstance(value, str):
                return (yield from self._number(value, conversation, hidden))
            if hidden and not conversation.placeholders.issued(value):
                return conversation.put(value, "SECRET")
            return (yield from self._redaction.redacting(value, conversation, again))

        return leaf

    def _number(self, value: int | float, conversation: Conversation, hidden: bool) -> Steps[object]:
        text = str(value)
        if not hidden and (
            len(text) < _FIGURES or not (yield from self._redaction.finding(text, conversation))
        ):
            return value
        return conversation.placeholders.put(value, "DATA")

    def _conversation(self, request: Any) -> Conversation:
        """The one of the request's thread and user; one of its own for a request without a thread."""
        if request.thread is None:
            return self._begun()
        key = (request.user, request.thread)
        found = self._conversations.pop(key, None) or self._begun()
        self._conversations[key] = found
        if len(self._conversations) > CONVERSATIONS:
            self._conversations.popitem(last=False)
        return found

    def _begun(self) -> Conversation:
        return Conversation(Placeholders("".join(self._chance(LETTERS) for _ in range(NONCE)), self._limits))


def _kinds(shown: Sequence[str], names: Placeholders) -> Steps[dict[str, int]]:
    """How many different values of each kind *shown* hides."""
    found: set[str] = set()
    for text in shown:
        for at in range(0, len(text), SLICE):
            part = text[at : at + SLICE + LONGEST]
            found.update(part[start:end] for start, end in names.holes(part))
            yield len(part)
    counts = Counter(each[1:].partition("_")[0] for each in found)
    return {kind: counts[kind] for kind in KINDS if kind in counts}
