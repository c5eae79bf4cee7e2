"""Sweep: what is referred to is never taken away, everything else is; in plain and in sealed stores."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom import Agent, Label, Loom, on
from loom.agent._timer_row import StoredTimer, encode_timer
from loom.bus import Bus
from loom.errors import MissingKey, StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Event
from loom.journal import Journal, decode_event, encode_event
from loom.journal.steps import StepRow, step_row
from loom.journal.sweep import Swept, lost_ids, sweep
from loom.store import Backend, Family, Put
from loom.store._master_key import MasterKey
from loom.store.crypto import shred
from loom.store.families import join, number
from loom.store.sealed import SealedBackend, open_store
from loom.store.sealing import PlainSealer, open_sealer
from loom.store.text import dump
from loom.store.vault import Vault
from tests.store.shelf import Shelf

PRIVATE = Label(Confidentiality.PRIVATE)
KEY = MasterKey(bytes(range(32)))


class World:
    """Rows of every kind that refers to leaves, and which leaves each of them refers to."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.journal = Journal(backend, Bus())
        self.refers: dict[tuple[Family, bytes], set[bytes]] = {}

    def put(self, kind: str, place: int, value: Any, label: Label, subject: str) -> None:
        vault, puts = Vault(self.backend), list[Put]()
        family, key, row = getattr(self, kind)(place, value, (subject, label), vault, puts)
        for other in [
            k for k in self.refers if kind == "state" and k == (Family.CHANGES, key + b"\0" + number(0))
        ]:
            self.take(*other)
        self.refers[family, key] = {put.key for put in puts if put.family is Family.BLOBS}
        self.backend.write([*puts, Put(family, key, row)])

    def take(self, family: Family, key: bytes) -> None:
        self.backend.write([Put(family, key, None)])
        self.refers.pop((family, key), None)

    def referred(self) -> set[bytes]:
        return set().union(*self.refers.values())

    # --- kinds: family, key, row --------------------------------------------------------------------------------

    def event(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        event = Event("t", value, topic="t", label=whose[1], metadata={"subject": whose[0]})
        return Family.JOURNAL, number(place), encode_event(event, vault, puts)

    def timer(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        _, _, event = self.event(place, value, whose, vault, puts)
        row = encode_timer(StoredTimer("A", f"t{place}", "after", {}, 10, "skip", event))
        return Family.TIMERS, join("A", f"t{place}"), row

    def step(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        change = vault.pack(whose, {"x": jsonable(value)}, puts)
        row = step_row(StepRow(place, "", "A", "id", 1, 5, *whose, change))
        return Family.STEPS, join(number(place), "A.take"), row

    def state(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        body = vault.pack(whose, {"x": jsonable(value)}, puts)
        facts = {"v": 1, "n": 0, "u": whose[0], "l": [int(whose[1].confidentiality), 0]}
        return Family.STATES, f"A{place}".encode(), dump(facts).encode() + b"\n" + body

    def base(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        _, _, row = self.state(place, value, whose, vault, puts)
        return Family.BASES, join("A", number(place)), row

    def change(self, place: int, value: Any, whose: Any, vault: Vault, puts: list[Put]) -> Any:
        if (Family.STATES, f"A{place}".encode()) not in self.refers:
            self.put("state", place, 0, whose[1], whose[0])
        facts = self.backend.get(Family.STATES, f"A{place}".encode())
        assert facts is not None
        subject = "ann" if b'"ann"' in facts.partition(b"\n")[0] else ""
        label = PRIVATE if b"[2," in facts.partition(b"\n")[0] else PUBLIC
        body = vault.pack((subject, label), {"x": jsonable(value)}, puts)
        return Family.CHANGES, join(f"A{place}", number(0)), body


def jsonable(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


values = st.sampled_from([
    "short", "a" * 600, "b" * 600, "ö" * 300, b"\x00" * 700, b"small", 5,
    {"deep": ["a" * 600, {"$leaf": "t" + "0" * 32}]}, {"$leaf": "b" * 600}, ["a" * 600, "c" * 512],
])  # fmt: skip
doings = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["event", "timer", "step", "state", "base", "change"]),
            st.integers(1, 3),
            values,
            st.sampled_from([PUBLIC, PRIVATE]),
            st.sampled_from(["", "ann"]),
        ),
        st.integers(0, 20),
    ),
    max_size=25,
)


@pytest.mark.parametrize("sealed", [False, True])
@settings(max_examples=80, deadline=None)
@given(doings=doings, marks=st.sampled_from([1, 2, 1000]))
def test_what_is_referred_to_is_never_swept_and_everything_else_is(
    sealed: bool, doings: list[Any], marks: int
) -> None:
    shelf = Shelf()
    backend: Backend = SealedBackend(shelf, open_sealer(shelf, KEY if sealed else None))
    world = World(backend)
    for doing in doings:
        if isinstance(doing, int):
            rows = [k for k in world.refers if k[0] is not Family.STATES]
            if rows:
                world.take(*rows[doing % len(rows)])
        else:
            world.put(*doing)
    before = set(shelf.kept[Family.BLOBS])
    assert world.referred() <= before
    swept = sweep(backend, marks=marks)
    assert set(shelf.kept[Family.BLOBS]) == world.referred()
    assert swept.leaves == len(before) - len(world.referred())
    vault = Vault(backend)
    for _key, row in backend.scan(Family.JOURNAL):
        decode_event(1, row, vault)
    assert sweep(backend, marks=marks) == Swept(0, 0, 0)
    world.journal.committer.close()


def test_a_store_that_is_sealed_or_broken_is_not_swept_at_all() -> None:
    shelf = Shelf()
    backend = SealedBackend(shelf, open_sealer(shelf, KEY))
    world = World(backend)
    world.put("event", 1, "a" * 600, PRIVATE, "ann")
    world.put("event", 2, "b" * 600, PUBLIC, "")
    world.take(Family.JOURNAL, number(2))
    blobs = dict(shelf.kept[Family.BLOBS])
    with pytest.raises(MissingKey):
        sweep(SealedBackend(shelf, PlainSealer()))
    shelf.kept[Family.STATES][b"A"] = b"damaged"
    with pytest.raises(StoreCorrupt, match="states"):
        sweep(backend)
    assert shelf.kept[Family.BLOBS] == blobs
    world.journal.committer.close()


def test_leaves_of_a_shredded_subject_go_and_those_of_others_stay() -> None:
    shelf = Shelf()
    sealer = open_sealer(shelf, KEY)
    backend = SealedBackend(shelf, sealer)
    world = World(backend)
    world.put("event", 1, "a" * 600, PRIVATE, "ann")
    world.put("event", 2, "a" * 600, PRIVATE, "bob")
    shred(shelf, sealer, "ann")  # type: ignore[arg-type]
    assert sweep(backend).leaves == 1
    assert decode_event(2, backend.get(Family.JOURNAL, number(2)) or b"", Vault(backend)).payload == "a" * 600
    world.journal.committer.close()


def test_ids_that_lead_nowhere_go_with_what_is_kept_under_them() -> None:
    shelf = Shelf()
    shelf.kept[Family.JOURNAL][number(2)] = b't\n{"i":"b","y":"t","w":1}\n'
    shelf.kept[Family.IDS] = {b"a": number(1), b"b": number(2)}
    shelf.kept[Family.CAUSES] = {join("a", "event", "b"): number(2), join("b", "act", "x"): b""}
    assert list(lost_ids(shelf)) == [b"a"]
    assert sweep(shelf) == Swept(0, 0, 1)
    assert set(shelf.kept[Family.IDS]) == {b"b"}
    assert set(shelf.kept[Family.CAUSES]) == {join("b", "act", "x")}


def test_progress_is_told() -> None:
    shelf = Shelf()
    for n in range(1, 2500):
        shelf.kept[Family.JOURNAL][number(n)] = b't\n{"i":"b","y":"t","w":1}\n'
    heard: list[tuple[str, int]] = []
    sweep(shelf, lambda what, rows: heard.append((what, rows)))
    assert heard == [
        ("rows that may refer to a large value", 1000),
        ("rows that may refer to a large value", 2000),
    ]


class Reader(Agent):
    """Keeps what it read, a long text under each name."""

    texts: dict[str, str] = {}

    @on("text.*")
    async def read(self, event, ctx):
        self.texts[event.payload["name"]] = event.payload["text"]
        ctx.after(3600, "later", {"text": event.payload["text"] + "!"})


@pytest.mark.parametrize("kind", ["sqlite", "rocksdb", "sealed"])
def test_a_life_after_tidy_and_sweep_is_as_if_nothing_had_gone(tmp_path: Path, kind: str) -> None:
    if kind == "rocksdb":
        pytest.importorskip("rocksdict")
    backend = "rocksdb" if kind == "rocksdb" else "sqlite"
    key = str(tmp_path / "key") if kind == "sealed" else None
    if key is not None:
        from loom.store._master_key import generate_key_file

        generate_key_file(key)

    async def live(*names: str) -> dict[str, str]:
        async with Loom(data=tmp_path / "data", key=key, backend=backend) as loom:
            loom.add(Reader)
            loom.journal("text.*", count=1)
            for name in names:
                payload = {"name": name[0], "text": name * 600}
                await loom.publish("text.a", payload, label=PRIVATE, metadata={"subject": "ann"})
            await loom.idle()
            await loom.tidy()
            return dict(loom.agent("Reader").instance.texts)

    texts = asyncio.run(live("a", "b", "a2", "c"))
    assert texts == {"a": "a2" * 600, "b": "b" * 600, "c": "c" * 600}
    store = open_store(tmp_path / "data", key)
    before = store.count(Family.BLOBS)
    assert store.count(Family.JOURNAL) == 1
    swept = sweep(store)
    assert swept.leaves
    assert store.count(Family.BLOBS) == before - swept.leaves
    store.close()
    assert asyncio.run(live()) == texts
