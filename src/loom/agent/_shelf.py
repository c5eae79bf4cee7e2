"""The agents that a store knows of, without their classes: what is kept of each, and how it is copied or put aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from loom.agent._fork import PastState, state_at
from loom.agent._state_delta import apply
from loom.agent.agent import check_name
from loom.errors import ConfigError, StoreCorrupt
from loom.event import PUBLIC
from loom.journal._why_facts import last_step
from loom.journal.cursor import read_position
from loom.journal.steps import read_step
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number, unnumber
from loom.store.text import dump, load
from loom.store.vault import Vault, read_label

_PAGE = 64


class KeptAgent(NamedTuple):
    """One agent. ``keys`` is how many instances a keyed one has, 0 for another.

    ``position`` is the number up to which it has handled everything (None: it reads no journal), ``lag`` how many
    events of the journal, wanted or not, are beyond it. ``nbytes`` is the size of its state, all keys together, without
    long texts. ``last`` is its last step: journal number and Unix ms.
    """

    name: str
    paused: bool
    keys: int
    position: int | None
    lag: int
    nbytes: int
    last: tuple[int, float] | None


def kept_agents(backend: Backend) -> list[KeptAgent]:
    """Every agent with a state, a position or a pause in the store, by name."""
    end = backend.last(Family.JOURNAL)
    head = 0 if end is None else unnumber(end)
    positions = _positions(backend)
    paused = {key[7:].decode() for key, _ in _pages(backend, Family.META, b"paused\0", b"paused\1")}
    states: dict[str, list[int]] = {}
    lasts: dict[str, Any] = {}
    for key, row in _pages(backend, Family.STATES):
        name, keyed, _ = key.decode("utf-8", "replace").partition("/")
        sizes = states.setdefault(name, [0, 0])
        sizes[0] += len(row)
        sizes[1] += bool(keyed)
        if not keyed:
            lasts[name] = last_step(backend, name, row)
    found = []
    for name in sorted({*states, *positions, *paused}):
        size, keys = states.get(name, (0, 0))
        place = positions.get(name)
        lag = 0 if place is None else max(0, head - place)
        last = _last(backend, name, lasts.get(name))
        found.append(KeptAgent(name, name in paused, keys, place, lag, size, last))
    return found


def kept_state(backend: Backend, vault: Vault, name: str) -> PastState:
    """The state of agent *name* (``NAME/KEY`` for one key of a keyed agent) as it is kept; raises ConfigError."""
    row = backend.get(Family.STATES, name.encode())
    if row is None:
        raise _unknown(backend, name)
    facts = _head(name, row)
    try:
        label, subject = read_label(facts.get("l")), facts.get("u", "")
        whose = (subject, label)
        fields = vault.unpack(whose, row.partition(b"\n")[2])
        start, end = join(name, number(facts["n"])), after(join(name, b""))
        for _, body in _pages(backend, Family.CHANGES, start, end):
            fields = apply(fields, vault.unpack(whose, body))
        return PastState(facts["v"], fields, label, subject)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StoreCorrupt(f"state of {name!r} cannot be read ({error}); run: loom store verify") from None


def reset(backend: Backend, vault: Vault, name: str, stamp: str) -> tuple[str, list[Put]]:
    """What puts the state of *name* aside, under a name made with *stamp*, so that it begins again; that name too.

    Positions stay: it does not handle again what it has handled. Raises ConfigError.
    """
    agent, slash, key = name.partition("/")
    aside = f"{agent}-saved-{stamp}{slash}{key}"
    state = kept_state(backend, vault, name)
    if backend.get(Family.STATES, aside.encode()) is not None:
        raise ConfigError(f"{aside!r} is there already; wait a second and try again")
    start = join(name, b"")
    gone = [Put(Family.CHANGES, key, None) for key, _ in _pages(backend, Family.CHANGES, start, after(start))]
    return aside, [*_state_puts(vault, aside, state), Put(Family.STATES, name.encode(), None), *gone]


def fork(backend: Backend, vault: Vault, names: tuple[str, str], seq: int | None) -> list[Put]:
    """What makes an agent, the second of *names*, with the state that the first had after event *seq* (None: has now).

    Its subscriptions go on after that event. Raises ConfigError, StoreCorrupt.
    """
    name, new = names
    check_name(new.partition("/")[0])
    if backend.get(Family.STATES, new.encode()) is not None or _own_positions(backend, new):
        raise ConfigError(f"there is an agent {new!r} in the store already; choose another name")
    now = kept_state(backend, vault, name)
    end = backend.last(Family.JOURNAL)
    head = 0 if end is None else unnumber(end)
    if seq is not None and not 0 < seq <= head:
        raise ConfigError(f"the journal has no #{seq}; its last number is #{head}")
    state = now if seq is None else state_at(backend, vault, name, seq)
    puts = _state_puts(vault, new, state)
    for place, value in _own_positions(backend, name):
        moved = new.encode() + place[len(name.encode()) :]
        puts.append(Put(Family.POSITIONS, moved, value if seq is None else str(seq).encode()))
    return puts


def _state_puts(vault: Vault, name: str, state: PastState) -> list[Put]:
    facts: dict[str, Any] = {"v": state.version, "n": 0}
    if state.subject:
        facts["u"] = state.subject
    if state.label != PUBLIC:
        facts["l"] = [int(state.label.confidentiality), int(state.label.untrusted)]
    puts: list[Put] = []
    body = vault.pack((state.subject, state.label), state.fields, puts)
    return [*puts, Put(Family.STATES, name.encode(), dump(facts).encode() + b"\n" + body)]


def _own_positions(backend: Backend, name: str) -> list[tuple[bytes, bytes]]:
    prefix = f"{name}.".encode()
    rows = _pages(backend, Family.POSITIONS, prefix, after(prefix))
    return [(key, row) for key, row in rows if b"." not in key[len(prefix) :]]


def _positions(backend: Backend) -> dict[str, int]:
    """The least position of each agent; members of a group share theirs, which is none's in particular."""
    found: dict[str, int] = {}
    for key, row in _pages(backend, Family.POSITIONS):
        place = key.decode("utf-8", "replace")
        name = place if place.startswith("group ") else place.rpartition(".")[0]
        position, _ = read_position(place, row)
        found[name] = min(position, found.get(name, position))
    return found


def _last(backend: Backend, name: str, kept: Any) -> tuple[int, float] | None:
    """Number and moment of a step of which the state of its agent says (number, id of the event)."""
    if not kept:
        return None
    seq, id = kept
    for key, row in backend.scan(Family.STEPS, number(seq), number(seq + 1), 512) if seq else ():
        step = read_step(key, row)
        if (step.event_id, step.agent) == (id, name):
            return seq, step.at_ms
    return (seq, 0.0) if seq else None


def _head(name: str, row: bytes) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = load(row.partition(b"\n")[0])
        return {"v": facts["v"], **facts}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorrupt(f"state of {name!r} cannot be read ({error}); run: loom store verify") from None


def _unknown(backend: Backend, name: str) -> ConfigError:
    first = f"{name}/".encode()
    keyed = backend.scan(Family.STATES, first, after(first), 3)
    if keyed:
        some = ", ".join(key.decode("utf-8", "replace").partition("/")[2] for key, _ in keyed)
        return ConfigError(f"{name!r} has a state for each key ({some}, ...); say which: --key KEY")
    known = ", ".join(each.name for each in kept_agents(backend)[:8]) or "none"
    return ConfigError(f"the store has no state of an agent {name!r}; there are {known}")


def _pages(
    backend: Backend, family: Family, start: bytes = b"", end: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    while rows := backend.scan(family, start, end, _PAGE):
        yield from rows
        start = rows[-1][0] + b"\0"
