"""The answer to `why` as lines of text. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from loom.cli._output import count
from loom.journal._why_hops import Hop
from loom.journal.why import Why

SHOWN = 20
"""How many hops of a long chain are shown, the nearest; its source is shown too."""
Paint = Callable[[str, str], str]
_CODES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "green": "32"}
_BAD = ("dead", "dropped", "denied", "parked")


def painted(text: str, how: str) -> str:
    """*text* for a terminal with colours."""
    return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if how in _CODES and text else text


def plain(text: str, how: str) -> str:
    """*text* as it is."""
    return text


def lines(why: Why, width: int, zone: tzinfo | None = None, paint: Paint = plain) -> list[str]:
    """The chain from the source down to what was asked, then what came of it; times are those of *zone*."""
    head = [paint(line, "bold") for line in wrapped(clean(why.message), width)]
    if not why.chain:
        return head
    first = next((hop.at_ms for hop in why.chain if hop.at_ms), None)
    page = _Page(width, zone, paint, first)
    out = [*head, "", *page.row(None, f"{_BEGINNINGS.get(why.ends, '')}{page.day}", "dim")]
    hops = list(why.chain)
    left_out = len(hops) - SHOWN - 1
    for place, hop in enumerate(hops[:-1]):
        if left_out > 0 and place == 1:
            out += page.row(None, f"… {count(left_out)} more hops", "dim")
        if left_out <= 0 or place == 0 or place > left_out:
            out += page.hop(hop, "  " if hop.kind in ("step", "timer") else "")
    subject = hops[-1]
    out += page.hop(subject, "▶ " if subject.kind == "event" else "  ▶ ", "bold")
    return [line.rstrip() for line in out]


_BEGINNINGS = {
    "source": "from the source",
    "no longer kept": "what led to this is no longer kept",
    "cycle": "a cycle of causes: somebody set them by hand",
    "too long": "the chain goes on, further back than is followed",
}


class _Page:
    """Rows of a fixed width: the moment, then the branch of the tree, then the words."""

    def __init__(self, width: int, zone: tzinfo | None, paint: Paint, first: float | None) -> None:
        self._width, self._zone, self._paint = width, zone, paint
        moment = None if first is None else _moment(first, zone)
        self._date = None if moment is None else moment.date()
        self.day = "" if moment is None else f"  ({moment:%Y-%m-%d, %Z})"

    def row(self, at_ms: float | None, text: str, how: str, branch: str = "", below: str = "") -> list[str]:
        """One entry: as many rows as it takes, up to four; *below* is the branch beside the others."""
        stamp = "" if at_ms is None else self._stamp(at_ms)
        room = max(16, self._width - 14 - len(branch))
        first, *rest = wrapped(clean(text), room)
        left = self._paint(f"{stamp:12.12}", "dim") if stamp else f"{'':12}"
        rows = [f"{left}  {branch}{self._paint(first, how)}"]
        return rows + [f"{'':14}{below}{self._paint(line, how)}" for line in rest]

    def hop(self, hop: Hop, branch: str, how: str = "") -> list[str]:
        """The rows of a hop and of what came of it."""
        below = " " * len(branch)
        text = words(hop, self._stamp)
        return [*self.row(hop.at_ms, text, how or _colour(hop), branch, below), *self._ahead(hop, below)]

    def _ahead(self, hop: Hop, before: str) -> list[str]:
        rows: list[str] = []
        last = len(hop.ahead) - 1
        for place, child in enumerate(hop.ahead):
            end = place == last and not hop.more and not hop.endless
            below = before + ("   " if end else "│  ")
            branch = before + ("└─ " if end else "├─ ")
            rows += self.row(child.at_ms, words(child, self._stamp), _colour(child), branch, below)
            rows += self._ahead(child, below)
        if hop.more or hop.endless:
            number = f"{'at least ' if hop.endless else ''}{count(max(1, hop.more))} more"
            rows += self.row(None, f"… {number}", "dim", before + "└─ ")
        return rows

    def _stamp(self, at_ms: float) -> str:
        moment = _moment(at_ms, self._zone)
        same = moment.date() == self._date
        return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}" if same else f"{moment:%m-%d %H:%M}"


def words(hop: Hop, stamp: Callable[[float], str]) -> str:
    """What a hop says."""
    return _WORDS.get(hop.kind, _noted)(hop, stamp)


def _event(hop: Hop, stamp: Callable[[float], str]) -> str:
    parts = [hop.what or f"event {hop.id}"]
    if hop.seq:
        parts.append(f"#{hop.seq}")
    if hop.by:
        parts.append(f"by {hop.by}")
    if hop.facts.get("timer"):
        parts.append("(a timer)")
    if "label" in hop.facts:
        parts.append(f"[{hop.facts['label']}]")
    if not hop.kept:
        parts.append(f"{hop.id if hop.what else ''} no longer kept".strip())
    if hop.facts.get("again"):
        parts.append("(see above)")
    return "  ".join(parts)


def _step(hop: Hop, stamp: Callable[[float], str]) -> str:
    if not hop.kept:
        return f"{hop.by} handled it (REALTIME, or not durable: no step is kept)"
    attempt, changed = hop.facts["attempt"], hop.facts["changed"]
    text = f"{hop.what} handled it"
    if hop.what.startswith("group ") or not hop.what.startswith(hop.by):
        text = f"{hop.by} handled it ({hop.what})"
    if attempt > 1:
        text += f" at attempt {attempt}"
    return f"{text}, changed {', '.join(changed)}" if changed else text


def _timer(hop: Hop, stamp: Callable[[float], str]) -> str:
    kind = f"{hop.facts.get('kind', '')} timer on {hop.what or hop.id}".strip()
    if hop.facts.get("fired"):
        return f"its {kind} fired"
    if hop.facts.get("waits"):
        return f"{kind}: rings {stamp(hop.facts['due_ms'])}"
    return f"{kind}: waits no longer" if hop.kept else f"timer {hop.id}: no longer kept"


def _act(hop: Hop, stamp: Callable[[float], str]) -> str:
    if not hop.kept:
        return f"action {hop.id}: no longer kept"
    parts = [f"{hop.what}: {hop.facts.get('status', '')}"]
    parts += [_answer(answer) for answer in hop.facts.get("answers", ())]
    question = hop.facts.get("question")
    if question:
        parts.append(f"asked, question {question.get('id')}: {question.get('why')}")
    if hop.facts.get("runs", 1) > 1:
        parts.append(f"begun {hop.facts['runs']} times")
    if hop.facts.get("outcome"):
        parts.append(str(hop.facts["outcome"]))
    return ", ".join(parts)


def _answer(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    by = answer.get("by")
    return ("allowed" if answer.get("allow") else "refused") + (f" by {by}" if by else "")


def _dead(hop: Hop, stamp: Callable[[float], str]) -> str:
    facts = hop.facts
    times = f"{facts['attempts']} attempts" if facts["attempts"] != 1 else "1 attempt"
    tail = " (to be tried again)" if facts.get("retry") else ""
    text = f"dead letter {facts['number']} of {hop.what}, {facts['reason']}"
    return (
        f"{text}, {times}: {facts['error']}{tail}" if facts["attempts"] else f"{text}: {facts['error']}{tail}"
    )


def _noted(hop: Hop, stamp: Callable[[float], str]) -> str:
    facts = hop.facts
    if hop.kind == "dropped":
        state = ""
        if "depth" in facts:
            state = f" ({facts['depth']} of {facts['capacity']} waiting, {facts['qos']}, {facts['policy']})"
        return f"lost at {facts['queue']}: {facts['reason']}{state}"
    if hop.kind == "retry":
        where = f"attempt {facts['attempt']} at {facts['subscription']} failed"
        return f"{where}, again after {facts['delay_ms']} ms: {facts['error']}"
    if hop.kind == "denied":
        return f"{facts['capability']} of {facts['agent'] or 'a caller'} denied: {facts['reason']}"
    if hop.kind == "decided":
        told = f" (decision {facts['decision']})" if facts.get("decision") else ""
        went = _NOBODY.get(str(facts["backend"]), f"went to {facts['backend']}")
        return f"{facts['task']} {went}: {facts['reason']}{told}"
    if hop.kind == "decision":
        return f"the router decided: {facts.get('route')}, {', '.join(facts.get('order', ())) or 'nobody'}"
    if hop.kind == "acted":
        return f"{facts['capability']}: {facts['outcome']}"
    if hop.kind == "dead":
        return f"given up by {facts['agent']}, {facts['reason']}: {facts.get('error', '')}"
    rest = ", ".join(f"{k} {v}" for k, v in facts.items() if k != "agent")
    return f"{hop.by or hop.what} {hop.kind}" + (f" ({rest})" if rest else "")


_NOBODY = {"drop": "was refused", "defer": "was deferred"}

_WORDS: dict[str, Callable[[Hop, Callable[[float], str]], str]] = {
    "event": _event, "step": _step, "timer": _timer, "act": _act,
    "dead": lambda hop, stamp: _dead(hop, stamp) if "number" in hop.facts else _noted(hop, stamp),
    "agent": lambda hop, stamp: f"agent {hop.what}: its last step is no longer kept",
}  # fmt: skip


def _colour(hop: Hop) -> str:
    if hop.kind in _BAD or hop.facts.get("status") in ("failed", "denied", "unknown"):
        return "red"
    return "yellow" if hop.kind in ("retry", "restarting") else "dim" if not hop.kept else ""


def _moment(at_ms: float, zone: tzinfo | None) -> datetime:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def clean(text: str) -> str:
    """*text* without what would move a cursor or colour a terminal: a topic or an error may hold anything."""
    return "".join(c if c.isprintable() else "?" if c not in "\n\t" else " " for c in text)


def wrapped(text: str, room: int) -> list[str]:
    """*text* in lines of at most *room* characters, at most four of them."""
    found = textwrap.wrap(text, room, break_on_hyphens=False, max_lines=4, placeholder=" …")
    return found or [""]


def every(why: Why) -> Iterator[Hop]:
    """Every hop of an answer."""
    stack = list(why.chain)
    while stack:
        hop = stack.pop()
        yield hop
        stack += hop.ahead
