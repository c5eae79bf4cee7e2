"""What an agent's state was after an event: the nearest base before it, and the changes since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from loom.agent._state_delta import apply
from loom.errors import ConfigError, StoreCorrupt
from loom.event import Label
from loom.journal.steps import StepRow, changes_of, read_step
from loom.store import Backend, Family
from loom.store.families import after, join, number
from loom.store.text import load
from loom.store.vault import Vault, read_label

_PAGE = 512


class PastState(NamedTuple):
    """A kept state: the version of its class, its fields, its label and its subject."""

    version: int
    fields: dict[str, Any]
    label: Label
    subject: str


class _Base(NamedTuple):
    at: float
    first: int
    state: PastState


def state_at(backend: Backend, vault: Vault, agent: str, seq: int) -> PastState:
    """The kept state of *agent* after the step that handled event *seq*, or the last one before that.

    Raises ConfigError when it is not known any more, StoreCorrupt when a change does not fit.
    """
    moment = _moment(backend, agent, seq)
    base = None if moment is None else _base(backend, vault, agent, moment)
    if base is None or moment is None:
        raise ConfigError(
            f"what {agent!r} knew at #{seq} is not kept: it had not begun, its history was removed, "
            "or it has one instance for each key"
        )
    steps = [s for s in _steps(backend, agent, base.first) if base.at <= s.at_ms <= moment]
    fields, label = base.state.fields, base.state.label
    for step in sorted(steps, key=lambda step: step.at_ms):
        changes: Any = changes_of(vault, step)
        fields = apply(fields, changes or {})
        label = label.join(step.label)
    return PastState(base.state.version, fields, label, base.state.subject)


def _moment(backend: Backend, agent: str, seq: int) -> float | None:
    """When *agent* handled event *seq*, or the last one before; looks further back each time."""
    wide = 1
    while True:
        first = max(0, seq + 1 - wide)
        found = [step.at_ms for step in _steps(backend, agent, first, seq + 1)]
        if found or not first:
            return max(found, default=None)
        wide *= 64


def _base(backend: Backend, vault: Vault, agent: str, moment: float) -> _Base | None:
    """The last base before *moment*; they are kept in the order in which they were made."""
    start, end = join(agent, b""), after(join(agent, b""))
    found: _Base | None = None
    while rows := backend.scan(Family.BASES, start, end, 8):
        for key, row in rows:
            base = _read(vault, key, row)
            if base.at > moment:
                return found
            found = base
        start = rows[-1][0] + b"\0"
    return found


def _steps(backend: Backend, agent: str, first: int, end: int | None = None) -> Iterator[StepRow]:
    """The steps of *agent* that are kept under numbers from *first* on, before *end*."""
    start, last = number(first), None if end is None else number(end)
    while rows := backend.scan(Family.STEPS, start, last, _PAGE):
        yield from (step for key, row in rows if (step := read_step(key, row)).agent == agent)
        start = rows[-1][0] + b"\0"


def _read(vault: Vault, key: bytes, row: bytes) -> _Base:
    try:
        head, _, body = row.partition(b"\n")
        facts = load(head)
        label, subject = read_label(facts.get("l")), facts.get("u", "")
        fields = vault.unpack((subject, label), body)
        return _Base(facts["at"], facts["from"], PastState(facts["v"], fields, label, subject))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StoreCorrupt(f"base {key!r} cannot be read ({error}); run: loom store verify") from None
