"""Notes: what was lost, denied or tried again has a cause that can be looked up, in a bounded ring."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Confidentiality, Label, Loom, QoS, Restart, Retry, action, on
from loom.bus import Bus
from loom.event import Event
from loom.journal.notes import (
    A_WRITE,
    KEPT,
    KeptNotes,
    Note,
    Notes,
    event_of_key,
    is_name,
    read_notes,
    told_error,
)
from loom.store import Family, Put
from loom.store.sqlite import SqliteBackend
from loom.testing import VirtualClock, new_loom, run, run_until_idle, virtual_time


class Slow(Agent, retry=Retry(attempts=3)):
    """Is too slow for a flood, and fails now and then."""

    seen: int = 0

    @on("flood", qos=QoS.REALTIME, capacity=2)
    async def flooded(self, event, ctx):
        self.seen += 1

    @on("work")
    async def work(self, event, ctx):
        if ctx.attempt < event.payload:
            raise ValueError(f"attempt {ctx.attempt}")
        ctx.act("door.open")


@action("door.open", approval="deny")
async def door() -> None:
    """Never runs."""


@pytest.fixture
def bus() -> Bus:
    return Bus(VirtualClock())


def put(backend: SqliteBackend, notes: KeptNotes) -> list[Put]:
    """Write what waits, as a commit does."""
    puts = notes.finish([])
    backend.write(puts)
    notes.landed([], None)
    return puts


def drop(notes: Notes, bus: Bus, count: int = 1, reason: str = "drop_oldest") -> list[Event]:
    events = [Event("x", topic="a") for _ in range(count)]
    for event in events:
        notes.dropped("queue", event, reason)
    return events


async def happen(loom: Loom) -> None:
    for n in range(8):
        loom.offer("flood", n, id=f"flood-{n}")
    await loom.publish("work", 3, id="work")
    await run_until_idle(loom, 30)


def kinds(notes: list[Note]) -> list[str]:
    return [note.kind for note in notes]


# --- what is noted ------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_runtime_without_a_store_notes_losses_retries_and_denials_when_asked_to() -> None:
    async with new_loom(Slow, door, causes=True) as loom:
        await happen(loom)
        ring = loom._services.notes.waiting()
    lost = [note for note in ring if note.kind == "dropped"]
    assert [note.about for note in lost] == [f"flood-{n}" for n in range(6)]
    assert lost[0].facts == {
        "topic": "flood", "time_ms": lost[0].facts["time_ms"], "queue": "Slow.flooded", "reason": "drop_oldest",
        "depth": 2, "capacity": 2, "qos": "realtime", "policy": "drop_oldest",
    }  # fmt: skip
    retries = [note for note in ring if note.kind == "retry"]
    assert [(n.about, n.facts["attempt"], n.facts["error"]) for n in retries] == [
        ("work", 1, "ValueError: attempt 1"),
        ("work", 2, "ValueError: attempt 2"),
    ]
    (denied,) = [note for note in ring if note.kind == "denied"]
    assert (denied.about, denied.facts["reason"]) == ("work", "its policy is deny")


@virtual_time
async def test_what_is_off_costs_nothing_and_what_is_on_keeps_the_fast_path() -> None:
    async with new_loom(Slow, door) as loom:
        assert loom._services.notes is None
        assert not loom.observers.watches("dropped", "denied", "decided", "acted", "dead_letter")
        why = await loom.why("anything")
        assert (why.found, why.ends) == (False, "no longer kept")
    async with new_loom(causes=True) as loom:
        assert not loom.observers.watches("routed", "accepted", "step_began", "step_ended")
        queue = loom.bus.subscribe("a.b")._entry.queue
        await loom.publish("a.b")
        assert loom.bus._plain["a.b"] is queue


@virtual_time
async def test_an_agent_that_restarts_and_is_parked_is_noted_under_its_name() -> None:
    class Doomed(Agent, retry=Retry(attempts=1), restart=Restart(failures=1, restarts=1)):
        @on("work")
        async def work(self, event, ctx):
            raise ValueError("always")

    async with new_loom(Doomed, causes=True) as loom:
        for _ in range(3):
            await loom.publish("work")
        await run_until_idle(loom, 60)
        why = await loom.why("agent:Doomed")
        assert why.found
        assert why.subject is not None
        assert [hop.kind for hop in why.subject.ahead] == ["restarting", "restarted", "parked"]
        dead = [n for n in loom._services.notes.waiting() if n.kind == "dead"]
        assert {n.facts["error"] for n in dead} == {"ValueError: always"}


def test_a_denial_inside_a_step_is_noted_with_the_event_in_hand(tmp_path: Path) -> None:
    class Greedy(Agent, retry=Retry(attempts=1)):
        @on("work")
        async def work(self, event, ctx):
            await asyncio.sleep(0.1)
            ctx.act("door.open")

    async def main() -> None:
        async with new_loom(door, causes=True) as loom:
            loom.add(Greedy, grants=[])
            await loom.publish("work", id="w")
            await run_until_idle(loom, 1)
            found = [n for n in loom._services.notes.waiting() if n.kind == "denied"]
            assert [(n.about, n.facts["reason"]) for n in found] == [("w", "not granted")]

    run(main())


def test_a_decision_is_noted_without_a_step_too(bus: Bus) -> None:
    notes = Notes(bus)
    notes.decided("detect", "camera-model", "local and free")
    assert notes.waiting()[0][1:] == (
        "decided", "", {"task": "detect", "backend": "camera-model", "reason": "local and free"},
    )  # fmt: skip


# --- bounds -------------------------------------------------------------------------------------------------------


def test_the_ring_in_memory_is_bounded(bus: Bus) -> None:
    notes = Notes(bus)
    events = drop(notes, bus, KEPT + 10)
    assert len(notes.ring) == KEPT
    assert notes.ring[0].about == events[10].id
    assert notes.total == KEPT + 10


def test_one_write_takes_a_bounded_number_and_counts_the_others_by_reason(tmp_path: Path, bus: Bus) -> None:
    backend = SqliteBackend(tmp_path)
    notes = KeptNotes(backend, bus)
    drop(notes, bus, A_WRITE + 5)
    drop(notes, bus, 3, "shed")
    puts = put(backend, notes)
    rows = [p for p in puts if p.family is Family.NOTES]
    assert len(rows) == A_WRITE + 1
    assert rows[-1].value is not None
    assert json.loads(rows[-1].value)[1:] == ["counted", "", {"drop_oldest": 5, "shed": 3}]
    assert notes.finish([]) == []
    backend.close()


def test_a_flood_takes_notes_along_only_now_and_then(tmp_path: Path) -> None:
    clock = VirtualClock()
    bus = Bus(clock)
    backend = SqliteBackend(tmp_path)
    notes = KeptNotes(backend, bus)
    written = 0
    for _ in range(100):
        drop(notes, bus, 10)
        written += bool(put(backend, notes))
        clock.advance(0.01)
    assert written == 4
    notes.ending = True
    drop(notes, bus)
    assert put(backend, notes)
    backend.close()


def test_the_ring_on_disk_is_bounded_with_its_index_over_restarts(tmp_path: Path, bus: Bus) -> None:
    backend = SqliteBackend(tmp_path)
    for _ in range(6):
        notes = KeptNotes(backend, bus, kept=20)
        notes.ending = True
        events = drop(notes, bus, 7)
        put(backend, notes)
    assert backend.count(Family.NOTES) == 20
    assert backend.count(Family.CAUSES) == 20
    assert [kinds(read_notes(backend, event.id)) for event in events] == [["dropped"]] * 7
    backend.close()


def test_notes_whose_write_failed_are_counted(tmp_path: Path, bus: Bus) -> None:
    backend = SqliteBackend(tmp_path)
    notes = KeptNotes(backend, bus)
    notes.ending = True
    drop(notes, bus, 4)
    notes.finish([])
    notes.landed([], OSError())
    drop(notes, bus)
    last = put(backend, notes)[-1]
    assert last.value is not None
    assert json.loads(last.value)[1:] == ["counted", "", {"dropped": 4}]
    backend.close()


def test_notes_are_written_although_nothing_else_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with new_loom(Slow, door, data=tmp_path / "data") as loom:
            await loom.idle()
            for n in range(4):
                loom.offer("flood", n, id=f"flood-{n}")
            await run_until_idle(loom, 5)
            assert kinds(read_notes(loom._durable.backend, "flood-0")) == ["dropped"]

    run(main())


def test_the_end_of_a_runtime_is_no_loss_of_what_waits_in_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        loom = new_loom(Slow, door, data=tmp_path / "data")
        await loom.publish("work", 1, id="waits")  # before it has been started
        await loom.stop()

    run(main())
    backend = SqliteBackend(tmp_path / "data", read_only=True)
    assert read_notes(backend, "waits") == []
    backend.close()


# --- hostile ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["a\0b", "\ud800", "x" * 5000, "a\x1b[31m", ""])
def test_an_id_that_no_key_can_hold_is_noted_without_an_index(tmp_path: Path, bus: Bus, id: str) -> None:
    assert not is_name(id)
    backend = SqliteBackend(tmp_path)
    notes = KeptNotes(backend, bus)
    notes.dropped("queue", Event("x", topic="a", id=id), "drop_oldest")
    assert [p.family for p in put(backend, notes)] == [Family.NOTES]
    backend.close()


def test_the_error_of_a_private_event_is_kept_back() -> None:
    private = Label(Confidentiality.PRIVATE)
    assert "hunter2" not in told_error("ValueError: hunter2", private)
    assert "hunter2" not in told_error("hunter2 is wrong: ValueError", private)
    assert told_error("ValueError: hunter2", Label(Confidentiality.SENSITIVE)) == "ValueError: hunter2"


def test_the_event_is_found_in_an_idempotency_key() -> None:
    assert event_of_key("Room/kitchen/Room.take/019b-1/2") == "019b-1"
    assert event_of_key("019b-1") == ""


def test_a_row_that_makes_no_sense_is_passed_over(tmp_path: Path, bus: Bus) -> None:
    backend = SqliteBackend(tmp_path)
    notes = KeptNotes(backend, bus)
    (event,) = drop(notes, bus)
    put(backend, notes)
    (key, _), *_ = backend.scan(Family.NOTES)
    backend.write([Put(Family.NOTES, key, b"{nonsense")])
    assert read_notes(backend, event.id) == []
    again: Any = KeptNotes(backend, bus)
    assert again._next == 2
    backend.close()
