"""Why, from facts made by hand: chains, trees, bounds, cycles, what is gone, and ids that mean harm."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Confidentiality, Label, on
from loom.cli._why_lines import every, lines
from loom.errors import ConfigError
from loom.event import Event
from loom.journal._why_ahead import BREADTH, MOST
from loom.journal._why_facts import MemoryFacts, StoreFacts
from loom.journal.dead import DeadLetters, letter_of
from loom.journal.notes import Note
from loom.journal.row import encode_event
from loom.journal.steps import StepRow, step_row
from loom.journal.why import FURTHEST, Why, explain, time_of_id
from loom.store import Family, Put
from loom.store.families import join, number
from loom.store.sqlite import SqliteBackend
from loom.store.vault import Vault
from loom.testing import new_loom, run, run_until_idle


class Book:
    """A store that is written by hand."""

    def __init__(self, folder: Path) -> None:
        self.backend = SqliteBackend(folder)
        self.vault = Vault(self.backend)
        self.seq = 0

    def event(self, id: str, cause: str | None = None, by: str = "", **fields: Any) -> int:
        """Keep an event as the journal does."""
        event = Event("x", None, **{"topic": f"topic.{id}", "source": by, "id": id, "cause": cause, **fields})
        puts: list[Put] = []
        row = encode_event(event, self.vault, puts)
        self.seq += 1
        key = number(self.seq)
        puts += [Put(Family.JOURNAL, key, row), Put(Family.IDS, id.encode(), key)]
        if cause is not None:
            puts.append(Put(Family.CAUSES, join(cause, "event", id), key))
        self.backend.write(puts, sync=False)
        return self.seq

    def step(
        self, seq: int, id: str, agent: str, change: dict[str, Any] | None = None, attempt: int = 1
    ) -> None:
        """Keep a step as an agent does."""
        data = None if change is None else json.dumps(change).encode()
        row = StepRow(seq, "", agent, id, attempt, 1000.0 + seq, "", Label(), data)
        self.backend.write([Put(Family.STEPS, join(number(seq), f"{agent}.take"), step_row(row))], sync=False)

    def why(self, id: str) -> Why:
        """The answer, checked for what holds of every answer."""
        why = explain(StoreFacts(self.backend), id)
        document = json.loads(json.dumps(why.document()))
        assert document["schema"] == 1
        assert all(len(line) <= 80 for line in lines(why, 80))
        assert len(list(every(why))) <= FURTHEST * 2 + MOST * 4
        return why


@pytest.fixture
def book(tmp_path: Path) -> Any:
    book = Book(tmp_path)
    yield book
    book.backend.close()


def told(why: Why) -> list[tuple[str, str]]:
    return [(hop.kind, hop.what) for hop in why.chain]


# --- back ---------------------------------------------------------------------------------------------------------


def test_a_chain_goes_back_to_its_source_with_the_steps_between(book: Book) -> None:
    book.step(book.event("a"), "a", "Ear", {"heard": ["=", 1]})
    book.step(book.event("b", "a", "Ear"), "b", "Mind", {"n": ["=", 1], "m": ["=", 2]}, attempt=2)
    book.event("c", "b", "Mind")
    why = book.why("c")
    assert why.ends == "source"
    assert told(why) == [
        ("event", "topic.a"), ("step", "Ear.take"), ("event", "topic.b"), ("step", "Mind.take"), ("event", "topic.c"),
    ]  # fmt: skip
    assert why.chain[3].facts == {"attempt": 2, "changed": ["n", "m"]}
    assert why == replace(book.why("#3"), asked="c")


def test_a_cause_that_is_gone_ends_the_chain_as_no_longer_kept(book: Book) -> None:
    book.event("c", "0123456789ab-0123456789abcdef-0123456789", "Mind")
    why = book.why("c")
    assert why.ends == "no longer kept"
    assert not why.chain[0].kept
    assert why.chain[0].at_ms == 0x0123456789AB


def test_a_cycle_of_causes_made_by_hand_ends(book: Book) -> None:
    book.event("a", "c")
    book.event("b", "a")
    book.event("c", "b")
    why = book.why("b")
    assert why.ends == "cycle"
    assert len(why.chain) == 3
    assert any(hop.facts.get("again") for hop in every(why))
    assert book.why("b").found


def test_an_event_that_is_its_own_cause_ends_too(book: Book) -> None:
    book.event("a", "a")
    assert book.why("a").ends == "cycle"


def test_a_very_long_chain_is_followed_so_far_and_shown_short(book: Book) -> None:
    for n in range(FURTHEST + 50):
        book.event(f"e{n}", f"e{n - 1}" if n else None, "Clock")
    why = book.why(f"e{FURTHEST + 49}")
    assert why.ends == "too long"
    shown = lines(why, 80)
    assert len(shown) < 40
    assert any("more hops" in line for line in shown)


# --- forward ------------------------------------------------------------------------------------------------------


def test_what_came_of_an_event_is_told_below_the_step_that_made_it(book: Book) -> None:
    seq = book.event("a")
    book.step(seq, "a", "Ear", {"n": ["=", 1]})
    book.step(seq, "a", "Eye", {"n": ["=", 1]})
    book.event("b", "a", "Ear")
    book.event("c", "a", "Eye")
    book.event("d", "a", "Realtime")
    ahead = book.why("a").subject.ahead
    assert [(hop.what, [child.id for child in hop.ahead]) for hop in ahead] == [
        ("Ear.take", ["b"]), ("Eye.take", ["c"]), ("topic.d", []),
    ]  # fmt: skip


def test_breadth_depth_and_the_whole_are_bounded_and_counted(book: Book) -> None:
    book.event("root")
    for n in range(324):
        book.event(f"child{n}", "root", "Ear")
    for n in range(40):
        book.event(f"deep{n}", f"deep{n - 1}" if n else "child0", "Ear")
    why = book.why("root")
    assert len(why.subject.ahead) == BREADTH
    assert why.subject.more == 312
    assert "… 312 more" in "\n".join(lines(why, 80))
    assert len(list(every(why))) < MOST


def test_of_very_many_it_is_said_that_there_are_at_least_so_many(book: Book) -> None:
    book.event("root")
    puts = [Put(Family.CAUSES, join("root", "event", f"c{n}"), number(9)) for n in range(2000)]
    book.backend.write(puts)
    why = book.why("root")
    assert why.subject.endless
    assert "at least" in lines(why, 80)[-1]


def test_other_kinds_are_not_crowded_out_by_events(book: Book) -> None:
    book.event("root")
    for n in range(50):
        book.event(f"child{n}", "root", "Ear")
    row = {"capability": "tts.speak", "status": "done", "agent": "Ear", "cause": "root", "changed": 7}
    book.backend.write([
        Put(Family.EFFECTS, b"Ear/Ear.take/root/1", json.dumps(row).encode()),
        Put(Family.CAUSES, join("root", "act", "Ear/Ear.take/root/1"), b""),
    ])  # fmt: skip
    assert "act" in {hop.kind for hop in book.why("root").subject.ahead}
    assert book.why("Ear/Ear.take/root/1").subject.facts["status"] == "done"


def test_a_timer_that_fired_is_told_once_as_its_event(book: Book) -> None:
    book.step(book.event("a"), "a", "Ear")
    made = {"by": "Ear", "kind": "after", "cause": "a", "topic": "topic.t"}
    rows = [
        Put(Family.CAUSES, join("a", "timer", "t"), b""),
        Put(Family.CAUSES, join("t", "maker", b""), json.dumps(made).encode()),
    ]
    book.backend.write([*rows, Put(Family.TIMERS, join("Ear", "t"), b'{"k":"after","d":5000,"m":"once"}')])
    waiting = book.why("t")
    assert waiting.subject.facts == {"kind": "after", "waits": True, "due_ms": 5000}
    assert told(waiting) == [("event", "topic.a"), ("step", "Ear.take"), ("timer", "topic.t")]
    book.backend.write([Put(Family.TIMERS, join("Ear", "t"), None)])
    assert book.why("t").subject.facts["waits"] is False
    book.event("t", "a", "Ear")
    assert told(book.why("t")) == [
        ("event", "topic.a"), ("step", "Ear.take"), ("timer", "topic.t"), ("event", "topic.t"),
    ]  # fmt: skip
    assert [hop.kind for hop in book.why("a").subject.ahead[0].ahead] == ["event"]


def test_a_dead_letter_is_found_by_its_number_and_by_its_event(book: Book) -> None:
    book.event("a")
    dead = DeadLetters(book.backend)
    event = Event("x", topic="topic.a", id="a")
    book.backend.write(dead.bury(letter_of(event, "Ear", "Ear.take", "failed", "ValueError: no"), 5, 3))
    assert [hop.kind for hop in book.why("dead:1").chain] == ["event", "dead"]
    assert book.why("1").subject == book.why("dead:1").subject
    assert book.why("a").subject.ahead[0].facts["error"] == "ValueError: no"
    assert "is journal number #7 meant?" in book.why("7").message


# --- what is gone -------------------------------------------------------------------------------------------------


def test_what_has_left_is_no_longer_kept_and_what_never_was_is_unknown(book: Book) -> None:
    book.event("a")
    key = number(1)
    book.backend.write([Put(Family.JOURNAL, key, None), Put(Family.IDS, b"a", None)])
    book.event("b", "a", "Ear")
    assert book.why("#1").message == "event #1 is no longer kept"
    assert book.why("#9").message == "the journal has no #9; its last number is #2"
    gone = book.why("a")
    assert (gone.found, gone.ends, [hop.id for hop in gone.subject.ahead]) == (True, "no longer kept", ["b"])
    old = book.why("0123456789ab-0123456789abcdef-0123456789")
    assert (old.found, old.ends) == (False, "no longer kept")
    assert book.why("nonsense").message.startswith("nothing is known of nonsense")


def test_rows_that_make_no_sense_are_as_if_they_were_not_there(book: Book) -> None:
    book.step(book.event("a"), "a", "Ear")
    book.event("b", "a", "Ear")
    book.backend.write([
        Put(Family.JOURNAL, number(1), b"\xff\xfe"), Put(Family.STEPS, join(number(1), "Ear.take"), b"{"),
        Put(Family.EFFECTS, b"key", b"[1]"), Put(Family.CAUSES, join("t", "maker", b""), b"1"),
    ])  # fmt: skip
    assert book.why("b").ends == "no longer kept"
    assert not book.why("key").found
    assert not book.why("t").found


# --- ids that mean harm -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "id", ["", "  ", "a\0b", "\ud800", "x" * 513, "\x1b[2J", "a\nb", "#", "#x", "#-1", "#0", "#" + "9" * 30]
)
def test_what_cannot_be_an_id_is_a_plain_message(book: Book, id: str) -> None:
    with pytest.raises(ConfigError) as refused:
        book.why(id)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("id", ["dead:", "dead:x", "dead:" + "9" * 30, "../../etc", "%s", "9" * 30, "ä/ö/1"])
def test_strange_ids_are_unknown_and_harm_nothing(book: Book, id: str) -> None:
    assert not book.why(id).found


def test_an_unknown_agent_is_told_with_where_to_look(book: Book) -> None:
    with pytest.raises(ConfigError, match="loom agent list"):
        book.why("agent:Nobody")


def test_what_a_topic_or_an_error_holds_moves_no_cursor(book: Book) -> None:
    book.event("a", by="\x1b[31mred\x07", topic="topic")
    text = "\n".join(lines(book.why("a"), 80))
    assert "\x1b" not in text
    assert "\x07" not in text


# --- a runtime without a store ------------------------------------------------------------------------------------


def test_a_ring_of_notes_tells_the_chain_that_a_lost_event_had() -> None:
    trail = [["mic.kitchen", "m"], ["words", "w"]]
    facts = {
        "topic": "reply",
        "time_ms": 5,
        "source": "Mind",
        "cause": "w",
        "trail": trail,
        "queue": "q",
        "reason": "shed",
    }
    denied = {"agent": "Mind", "capability": "tts", "reason": "no", "key": "Mind/Mind.take/w/1"}
    ring = MemoryFacts([Note(6, "dropped", "r", facts), Note(7, "denied", "w", denied)])
    why = explain(ring, "r")
    assert [(hop.what, hop.kept) for hop in why.chain if hop.kind == "event"] == [
        ("mic.kitchen", True), ("words", True), ("reply", True),
    ]  # fmt: skip
    assert why.subject.ahead[0].facts["reason"] == "shed"
    assert explain(ring, "Mind/Mind.take/w/1").subject.facts["status"] == "denied"
    assert not explain(ring, "elsewhere").found


def test_why_is_answered_while_the_runtime_runs(tmp_path: Path) -> None:
    class Ear(Agent):
        heard: int = 0

        @on("mic")
        async def take(self, event, ctx):
            self.heard += 1
            ctx.publish("word", "hello")

    async def main() -> None:
        async with new_loom(Ear, data=tmp_path / "data") as loom:
            event = await loom.publish("mic")
            await run_until_idle(loom)
            why = await loom.why(event.id)
            assert [hop.what for hop in why.subject.ahead] == ["Ear.take"]
            other = SqliteBackend(tmp_path / "data", read_only=True)
            assert explain(StoreFacts(other), event.id) == why
            other.close()
            with pytest.raises(ConfigError):
                await loom.why("\0")

    run(main())


def test_a_private_label_is_told_and_its_payload_never(book: Book) -> None:
    book.event("a", label=Label(Confidentiality.PRIVATE, True), metadata={"subject": "ann"})
    why = book.why("a")
    assert why.subject.facts["label"] == "private, untrusted"
    assert "payload" not in json.dumps(why.document())


def test_the_time_in_an_id_is_read_from_loom_ids_alone() -> None:
    assert time_of_id(Event("x", timestamp_ms=1234).id) == 1234
    assert time_of_id("my-own-id") is None
