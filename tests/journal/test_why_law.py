"""Why, as a law: whatever happens in a small world, over crashes, everything has a chain that ends at a source.

The oracle is an observer that saw every event, step and loss; what it saw is held against the answers of the store.
"""

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loom.cli._why_lines import every, lines
from loom.journal._why_facts import StoreFacts
from loom.journal.why import Why, explain
from loom.store import Backend, Family
from loom.store.families import unnumber
from loom.store.sqlite import SqliteBackend
from tests.agent.ledgers import Lives
from tests.journal.why_world import DOES, THINGS, Oracle, play

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
LINES = st.sampled_from([*DOES, *DOES, "flood", "visit", "cancel", 0.5, 2.0])
SCRIPTS = st.lists(LINES, min_size=1, max_size=8)
CRASHES = st.lists(st.tuples(SCRIPTS, st.integers(1, 25), st.sampled_from(["before", "after"])), max_size=2)


class Judge:
    """Holds the answers of one store against what an oracle saw."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.facts = StoreFacts(backend)
        rows = backend.scan(Family.IDS, limit=100_000)
        self.journalled = {key.decode(): unnumber(seq) for key, seq in rows}

    def ask(self, id: str) -> Why:
        """An answer, which can be told in 80 columns and to machines."""
        why = explain(self.facts, id)
        json.dumps(why.document())
        assert all(len(line) <= 80 for line in lines(why, 80)), lines(why, 80)
        assert why.ends in (("source", "no longer kept") if why.chain else ("", "no longer kept"))
        return why

    def journal(self, oracle: Oracle) -> None:
        """Every journalled event has the chain that the oracle knows, and what came of it."""
        for id, seq in self.journalled.items():
            why = self.ask(id)
            assert why.chain == self.ask(f"#{seq}").chain
            assert why.found
            chain = [hop.id for hop in why.chain if hop.kind == "event"]
            assert chain[-1] == id
            if id in oracle.events:
                self.causes(chain, why, oracle)

    def causes(self, chain: list[str], why: Why, oracle: Oracle) -> None:
        for cause, id in pairwise(chain):
            if id in oracle.events:
                assert oracle.events[id].cause == cause
        first = self.facts.event(chain[0])
        if why.ends == "source":
            assert first is not None
            assert first.cause is None
        else:
            assert first is None or first.seq == 0

    def steps(self, oracle: Oracle) -> None:
        """Every step on a journalled event is told, with the events that it made."""
        for agent, id in oracle.steps:
            if (
                oracle.events[id].topic == "question"
            ):  # a request: nobody answers it after a crash, it is not journalled
                why = self.ask(id)
                assert why.subject.what == "question"
                assert agent in {hop.by for hop in why.subject.ahead if hop.kind == "step"}
            if id in self.journalled and "on_" not in id:
                hops = {hop.by for hop in self.ask(id).subject.ahead if hop.kind == "step"}
                realtime = oracle.events[id].topic == "fast"
                assert agent in hops or realtime, (agent, id, hops)

    def losses(self, oracle: Oracle) -> None:
        for queue, id, reason in oracle.lost:
            if reason == "cancelled" and id in self.journalled:
                continue  # it was settled, or waits in the journal
            noted = {(hop.what, hop.facts["reason"]) for hop in every(self.ask(id)) if hop.kind == "dropped"}
            assert (queue, reason) in noted

    def failures(self, oracle: Oracle) -> None:
        for agent, id in oracle.failed:
            told = [hop for hop in every(self.ask(id)) if hop.kind in ("retry", "dead")]
            assert agent in {hop.by for hop in told}, (agent, id)
            assert all(hop.facts["error"] for hop in told)

    def dead(self, oracle: Oracle) -> None:
        numbers = [unnumber(key) for key, _ in self.backend.scan(Family.DEAD, limit=1000)]
        ids = set()
        for number in numbers:
            why = self.ask(f"dead:{number}")
            assert why.found
            assert why.subject.kind == "dead"
            ids.add(why.chain[-2].id)
        assert {id for _, id in oracle.dead} <= ids

    def effects(self, oracle: Oracle) -> None:
        for key, row in self.backend.scan(Family.EFFECTS, limit=1000):
            why = self.ask(key.decode())
            assert why.found
            effect = json.loads(row.partition(b"\n")[0])
            cause = [hop for hop in why.chain if hop.kind == "event"][-1]
            assert cause.id == effect["cause"]
            assert why.subject.facts["status"] == effect["status"]
            assert "step" in [hop.kind for hop in why.chain]
            if key.decode() in oracle.refused:
                assert [hop.kind for hop in why.subject.ahead] == ["denied"]
            elif effect["status"] == "denied":  # by a life that died before its note was on disk
                assert "policy is deny" in why.subject.facts["outcome"]

    def timers(self) -> None:
        """Every timer was set by a step, whether it waits, has fired or was cancelled."""
        index = [key.split(b"\0") for key, _ in self.backend.scan(Family.CAUSES, limit=100_000)]
        waiting = {key.split(b"\0")[-1].decode() for key, _ in self.backend.scan(Family.TIMERS, limit=1000)}
        made = {parts[2].decode() for parts in index if parts[1] == b"timer"}
        assert waiting <= made
        for timer in made:
            why = self.ask(timer)
            assert why.found
            assert "timer" in [hop.kind for hop in why.chain]
            if timer in waiting:
                assert why.subject.facts["waits"] is True

    def everything(self, oracle: Oracle) -> None:
        """No id that is anywhere in the index is without an answer, and every agent has a last step."""
        durable = {
            id for id in self.journalled if oracle.events.get(id) and oracle.events[id].topic != "fast"
        }
        stepped = {agent for agent, id in oracle.steps if id in durable}
        for key, _ in self.backend.scan(Family.CAUSES, limit=100_000):
            id = key.split(b"\0")[0].decode()
            assert self.ask(id).found
        for key, _ in self.backend.scan(Family.STATES, limit=1000):
            why = self.ask(f"agent:{key.decode()}")
            assert why.found or why.ends == "no longer kept"
            if key.decode() in stepped:
                assert why.subject.by == key.decode()
                assert why.subject.kept


def play_lives(crashes: list[Any], script: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        lives = Lives(Path(folder, "data"), patch)
        for each, at, dies in crashes:
            died = Oracle()
            lives.live(*THINGS, story=lambda loom, e=each, o=died: play(loom, e, o), at=at, dies=dies)
        oracle = Oracle()
        lives.live(*THINGS, story=lambda loom: play(loom, script, oracle))
        judge_all(lives.folder, oracle)


def judge_all(folder: Path, oracle: Oracle) -> None:
    backend = SqliteBackend(folder, read_only=True)
    try:
        judge = Judge(backend)
        judge.journal(oracle)
        judge.steps(oracle)
        judge.losses(oracle)
        judge.failures(oracle)
        judge.dead(oracle)
        judge.effects(oracle)
        judge.timers()
        judge.everything(oracle)
    finally:
        backend.close()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(CRASHES, SCRIPTS)
@example([], [*DOES, "flood", "visit", 0.01, "cancel", "scoped", "timer", 2.0])
@example([(["more", "act", "fail"], 4, "before"), (["timer", "once"], 3, "after")], ["more", "ask"])
def test_everything_has_a_chain_to_a_source_or_is_no_longer_kept(
    crashes: list[Any], script: list[Any]
) -> None:
    play_lives(crashes, script)
