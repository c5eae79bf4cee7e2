"""Agents and dead letters as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loom.cli._output import count, field
from loom.cli._why_lines import clean

if TYPE_CHECKING:
    from loom.agent._shelf import KeptAgent
    from loom.event import Event
    from loom.journal.dead import Letter

_PAYLOAD = 2000  # characters of a payload that are shown


def agent_table(agents: Sequence[tuple[str, KeptAgent]], width: int) -> list[str]:
    """A line for each agent, with its status."""
    if not agents:
        return ["no agent has been here yet"]
    wide = min(max(8, *(len(a.name) for _, a in agents)), max(12, width - 48))
    lines = [f"{'agent':{wide}}  {'status':10} {'position':>9} {'lag':>7} {'state':>9}  last step"]
    for status, agent in agents:
        place = "-" if agent.position is None else f"#{agent.position}"
        lag = "-" if agent.position is None else f"≤{count(agent.lag)}" if agent.lag else "0"
        last = "-" if agent.last is None else f"{_moment(agent.last[1])}#{agent.last[0]}"
        if agent.keys:
            last = f"{count(agent.keys)} keys"
        name = clean(agent.name)[:wide]
        lines.append(f"{name:{wide}}  {status[:10]:10} {place:>9} {lag:>7} {_size(agent.nbytes):>9}  {last}")
    return lines


def letter_table(letters: Sequence[Letter], gone: int, width: int) -> list[str]:
    """A line for each letter, and how many there were before."""
    lines = []
    for letter in letters:
        sign = "again" if letter.retry else ""
        head = f"{letter.number:>5}  {_moment(letter.at_ms)}{clean(letter.subscription or letter.agent)}"
        text = f"{head}  {clean(letter.topic)}  {clean(letter.error or letter.reason)}  {sign}".rstrip()
        lines.append(text if len(text) <= width else text[: width - 1] + "…")
    if not letters:
        lines.append("no dead letters")
    if gone:
        lines.append(f"{count(gone)} older ones were given up, for there are at most so many")
    return lines


def letter_lines(letter: Letter, event: Event | None, width: int) -> list[str]:
    """All of one letter."""
    told: list[tuple[str, Any]] = [
        ("letter", f"{letter.number}, {_moment(letter.at_ms).strip()}"), ("event", f"{letter.topic}  {letter.id}"),
        ("given up", f"by {letter.subscription or letter.agent}, {letter.reason}, {letter.attempts} attempts"),
        ("error", letter.error),
    ]  # fmt: skip
    if letter.retries:
        told.append(("retried", f"{letter.retries} times"))
    if letter.retry:
        told.append(("state", "is tried again when its agent runs"))
    told.append(("chain", " -> ".join(topic for topic, _ in letter.chain)))
    told.append(("payload", _payload(letter, event)))
    return [line for name, text in told for line in field(name, clean(str(text)), width)]


def _payload(letter: Letter, event: Event | None) -> str:
    if event is None:
        return "no longer kept"
    if event.label.confidentiality:
        return f"not shown: it is {event.label}"
    text = repr(event.payload)
    return text if len(text) <= _PAYLOAD else f"{text[:_PAYLOAD]}… ({count(len(text))} characters)"


def _moment(at_ms: float) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}  " if at_ms else ""


def _size(nbytes: int) -> str:
    return f"{count(nbytes)} B" if nbytes < 100_000 else f"{nbytes / 1e6:.1f} MB"
