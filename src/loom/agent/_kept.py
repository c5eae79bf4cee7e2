"""States on disk: a snapshot for each agent, and for a large one the changes since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loom.agent._history import History
from loom.agent._migration import read_state
from loom.agent._state_delta import apply
from loom.errors import StoreCorrupt, StoreError
from loom.event import PUBLIC, Label
from loom.journal import Commit
from loom.journal._why_facts import last_key
from loom.store import Backend, Family, Put
from loom.store.backend import row_put
from loom.store.families import after, join, number, unnumber
from loom.store.text import dump, load, quote
from loom.store.vault import Vault, label_text, read_label

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent.agent import AgentSpec

_STATES = Family.STATES
_LARGE = 8192  # bytes of a snapshot from which on changes are written instead
_MOST = 1000  # changes before the next snapshot, whatever their size
State = tuple[Any, ...]


class Kept:
    """What is on disk of one agent's state: the state itself, its label and subject, and how it is written there."""

    __slots__ = ("changed", "first", "label", "next", "size", "state", "subject")

    def __init__(
        self, state: State, label: Label, subject: str, size: int, first: int, following: int
    ) -> None:
        self.state = state
        self.label = label
        self.subject = subject
        self.size = size  # bytes of the snapshot
        self.first, self.next = first, following  # numbers of the changes since
        self.changed = 0  # bytes of those


class States:
    """Writes the states that changed with every write of the journal, one row for each agent, and reads them back."""

    def __init__(self, backend: Backend, vault: Vault, history: History) -> None:
        self._history = history
        self._backend = backend
        self._vault = vault
        self._dirty: dict[Cell, None] = {}
        self._flying: list[tuple[Cell, Kept]] = []

    def __bool__(self) -> bool:
        """Whether a state waits for the next write."""
        return bool(self._dirty)

    def changed(self, cell: Cell) -> None:
        """Have the state of *cell* written with the next write."""
        self._dirty[cell] = None

    def clean(self, cell: Cell) -> bool:
        """Whether the state of *cell* is on disk as it is."""
        return cell not in self._dirty and all(flying is not cell for flying, _ in self._flying)

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """The rows of the agents that changed, however many steps they took."""
        cells, self._dirty = self._dirty, {}
        puts: list[Put] = []
        try:
            for cell in cells:
                self._write(cell, puts)
        except BaseException:
            self._dirty = cells  # nothing is written now: all of them with the next write
            raise
        return puts

    def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
        """The states are kept, or are to be written again, whole."""
        for cell, kept in self._flying:
            cell.kept = kept if error is None else None
            if error is not None:
                self._dirty[cell] = None
        self._flying = []
        if error is not None:
            self._vault.forget()

    def restore(self, spec: AgentSpec, name: str) -> tuple[State, Label, Kept] | None:
        """The state of agent *name* as last committed; raises StateError when it does not fit, StoreCorrupt."""
        row = self._backend.get(Family.STATES, name.encode())
        if row is None:
            return None
        try:
            head, _, body = row.partition(b"\n")
            facts = load(head)
            subject, label = facts.get("u", ""), read_label(facts.get("l"))
            first, version = facts["n"], facts["v"]
            fields = self._vault.unpack((subject, label), body)
            changes = self._changes(name, first, (subject, label))
            for delta in changes:
                fields = apply(fields, delta)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise StoreCorrupt(
                f"the state of {name!r} cannot be read ({error}); run: loom store verify"
            ) from None
        state = read_state(spec, fields, version)
        kept = Kept(state, label, subject, len(row), first, first + len(changes))
        kept.changed = kept.size  # the next one is a snapshot, also when the class has migrated
        return state, label, kept

    # --- inside ---------------------------------------------------------------------------------------------------

    def _write(self, cell: Cell, puts: list[Put]) -> None:
        kept, state, label, subject = cell.kept, cell.committed, cell.label, cell.subject or ""
        if kept is not None and kept.state is state and kept.label is label:
            return
        grows = (
            kept is not None
            and kept.size >= _LARGE
            and kept.changed < kept.size
            and kept.next - kept.first < _MOST
            and (kept.label, kept.subject) == (label, subject)
        )
        if grows and kept is not None:
            self._flying.append((cell, self._write_change(cell, kept, puts)))
        else:
            self._flying.append((cell, self._write_snapshot(cell, kept, puts)))

    def _write_change(self, cell: Cell, kept: Kept, puts: list[Put]) -> Kept:
        delta = cell.spec.codec.delta(kept.state, cell.committed)
        following = Kept(cell.committed, kept.label, kept.subject, kept.size, kept.first, kept.next)
        following.changed = kept.changed
        if delta is not None:
            key = join(cell.name, number(kept.next))
            body = self._vault.pack((kept.subject, kept.label), delta, puts)
            puts.append(Put(Family.CHANGES, key, body))
            following.next += 1
            following.changed += len(body)
        last = self._history.last(cell)
        if last is not None:
            puts.append(Put(Family.CAUSES, last_key(cell.name), dump(last).encode()))
        return following

    def _write_snapshot(self, cell: Cell, kept: Kept | None, puts: list[Put]) -> Kept:
        label, subject, name = cell.label, cell.subject or "", cell.name.encode()
        first = 0 if kept is None else kept.next
        if kept is None:  # after a failed write: what is there may be of any length
            rows = self._backend.scan(Family.CHANGES, name + b"\0", after(name + b"\0"), _MOST * 2)
            puts += [Put(Family.CHANGES, key, None) for key, _ in rows]
            first = unnumber(rows[-1][0][len(name) + 1 :]) + 1 if rows else 0
        elif kept.next > kept.first:
            puts += [Put(Family.CHANGES, join(name, number(n)), None) for n in range(kept.first, kept.next)]
        facts = f'{{"v":{cell.spec.version:d},"n":{first}'
        last = self._history.last(cell)
        if last is not None:
            facts += f',"t":[{last[0]},{quote(last[1])}]'
        if kept is None or kept.size >= _LARGE:
            puts.append(Put(Family.CAUSES, last_key(cell.name), None))  # of the changes that go now
        if subject:
            facts += f',"u":{quote(subject)}'
        if label is not PUBLIC and label != PUBLIC:
            facts += f',"l":{label_text(label)}'
        state_now = cell.spec.codec.encode(cell.committed)
        body = self._vault.pack((subject, label), state_now, puts)
        row = f"{facts}}}\n".encode() + body
        puts.append(row_put((_STATES, name, row)))
        return Kept(cell.committed, label, subject, len(row), first, first)

    def _changes(self, name: str, first: int, whose: tuple[str, Label]) -> list[dict[str, Any]]:
        start, end = join(name, number(first)), after(join(name, b""))
        rows = self._backend.scan(Family.CHANGES, start, end, _MOST * 2)
        return [self._vault.unpack(whose, body) for _, body in rows]
