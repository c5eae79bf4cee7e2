"""Step rows: how each journalled event was handled, by whom, and what it changed there."""

from __future__ import annotations

from typing import NamedTuple

from loom.errors import StoreCorrupt
from loom.event import PUBLIC, Event, Label
from loom.store.families import join, number, unnumber
from loom.store.text import load, quote
from loom.store.vault import Vault, label_text, read_label


class StepRow(NamedTuple):
    """One step that committed: which event, in which subscription (*place*), by which agent, at which attempt, when.

    ``change`` is what it changed in the agent's state as it is kept: ``changes_of`` reads it.
    """

    seq: int
    place: str
    agent: str
    event_id: str
    attempt: int
    at_ms: float
    subject: str
    label: Label
    change: bytes | None


def step_key(event: Event, last: int, place: str) -> bytes:
    """Where the step for *event* is kept: by its number, or after *last* when the event was not journalled."""
    if event.seq:
        return join(number(event.seq), place)
    return join(number(last), place, event.id)


def step_row(step: StepRow) -> bytes:
    """The value of a step row: facts on the first line, then the label and the change if there is one."""
    texts = f"{quote(step.event_id)},{quote(step.agent)},{quote(step.subject)}"
    row = f"[{step.attempt},{step.at_ms},{texts}]"  # half the time of dump
    if step.change is None:
        return row.encode()
    return f"{row}\n{label_text(step.label)}\n".encode() + step.change


def read_step(key: bytes, row: bytes) -> StepRow:
    """The step of a row; raises StoreCorrupt."""
    try:
        facts, _, rest = row.partition(b"\n")
        label, _, change = rest.partition(b"\n")
        attempt, at_ms, event_id, agent, subject = load(facts)
        place = key[9:].split(b"\0")[0].decode()
        whose = read_label(load(label)) if rest else PUBLIC
        return StepRow(
            unnumber(key), place, agent, event_id, attempt, at_ms, subject, whose, change if rest else None
        )
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise StoreCorrupt(f"step row {key!r:.80} cannot be read ({error}); run: loom store verify") from None


def changes_of(vault: Vault, step: StepRow) -> dict[str, object] | None:
    """What *step* changed, as ``loom.agent._state_delta`` applies it; raises StoreCorrupt, MissingKey, Shredded."""
    if step.change is None:
        return None
    found: dict[str, object] = vault.unpack((step.subject, step.label), step.change)
    return found
