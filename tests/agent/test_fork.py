"""What an agent's state was after an event, told from a base and the changes since."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loom import Agent, Confidentiality, Label, Observer, QoS, Retry, on
from loom.agent._fork import state_at
from loom.agent._history import History
from loom.agent._shelf import fork, kept_agents, kept_state, reset
from loom.errors import ConfigError
from loom.store import Family
from loom.store.families import number
from loom.store.sqlite import SqliteBackend
from loom.store.vault import Vault
from loom.testing import run_until_idle
from tests.agent.ledgers import Lives, lives  # noqa: F401 - a fixture


class Book(Agent, retry=Retry(attempts=2, base=0.01)):
    """Keeps what it is told, by two lanes and a REALTIME handler."""

    words: list[str] = []
    counts: dict[str, int] = {}
    fast: int = 0

    @on("write.>")
    async def write(self, event, ctx):
        word = event.payload
        self.words.append(word)
        self.counts[word] = self.counts.get(word, 0) + 1
        if word == "once" and ctx.attempt == 1:
            raise ValueError("try again")
        if len(self.words) > 6:
            self.words = self.words[3:]

    @on("later.>", qos=QoS.BACKGROUND)
    async def later(self, event, ctx):
        self.counts["later"] = self.counts.get("later", 0) + event.payload

    @on("fast", qos=QoS.REALTIME)
    async def quick(self, event, ctx):
        self.fast += 1


class Watch(Observer):
    """Remembers the kept state after each step."""

    def __init__(self, loom: Any) -> None:
        self.loom = loom
        self.after: dict[int, dict[str, Any]] = {}

    def step_ended(self, agent: str, event: Any, outcome: str, seconds: float) -> None:
        if outcome == "committed" and event.seq:
            cell = self.loom.agent(agent)
            self.after[event.seq] = cell.spec.codec.encode(cell.committed)


LINES = st.one_of(
    st.sampled_from(["a", "b", "once"]).map(lambda word: ("write.x", word)),
    st.integers(1, 5).map(lambda n: ("later.x", n)),
    st.just(("fast", 1)),
)


def opened(lives: Lives) -> SqliteBackend:  # noqa: F811
    return SqliteBackend(lives.folder)


async def tell(loom: Any, script: list[tuple[str, Any]], after: dict[int, dict[str, Any]]) -> None:
    watch = Watch(loom)
    loom.observers.attach(watch)
    for topic, payload in script:
        await loom.publish(topic, payload)
        if payload in ("b", 3):
            await run_until_idle(loom)
    await run_until_idle(loom, 5)
    after |= watch.after


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(LINES, min_size=1, max_size=12), min_size=1, max_size=3), st.integers(0, 60))
@example([[("write.x", "once"), ("write.x", "a")]], 0)  # two bases beside one number of the journal
def test_the_state_after_any_event_is_found_again(scripts: list[list[tuple[str, Any]]], least: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("loom.agent._history._LEAST", 200 * least)  # a base after each step, or hardly any
        patch.setattr("loom.agent._history._TIMES", 0)
        lives = Lives(Path(folder, "data"), patch)
        after: dict[int, dict[str, Any]] = {}
        for script in scripts:
            lives.live(Book, story=lambda loom, s=script: tell(loom, s, after))
        backend = opened(lives)
        vault = Vault(backend)
        for seq, expected in after.items():
            assert state_at(backend, vault, "Book", seq).fields == expected, seq
        backend.close()


def filled(lives: Lives, words: str = "abc") -> SqliteBackend:  # noqa: F811
    script = [("write.x", word) for word in words]
    lives.live(Book, story=lambda loom: tell(loom, script, {}))
    return opened(lives)


def test_a_fork_begins_with_the_old_state_and_reads_on_from_there(lives: Lives) -> None:  # noqa: F811
    backend = filled(lives)
    backend.write(fork(backend, Vault(backend), ("Book", "Twin"), 2))
    backend.close()

    async def look(loom: Any) -> Any:
        loom.add(Book, name="Twin")
        await run_until_idle(loom)
        return [loom.agent(name).instance.words for name in ("Book", "Twin")]

    assert lives.live(Book, story=look) == [["a", "b", "c"], ["a", "b", "c"]]
    backend = opened(lives)
    steps = [key for key, _ in backend.scan(Family.STEPS, number(1), limit=100) if b"Twin" in key]
    assert len(steps) == 1  # the third event alone was handled again
    backend.close()


def test_a_fork_without_a_number_is_what_the_agent_is_now(lives: Lives) -> None:  # noqa: F811
    backend = filled(lives)
    backend.write(fork(backend, Vault(backend), ("Book", "Twin"), None))
    assert kept_state(backend, Vault(backend), "Twin").fields["words"] == ["a", "b", "c"]
    names = [(each.name, each.position) for each in kept_agents(backend)]
    assert [name for name, _ in names] == ["Book", "Twin"]
    assert names[0][1] == names[1][1]
    backend.close()


@pytest.mark.parametrize("seq", [0, 99, 10**15])
def test_a_number_the_journal_has_not_is_refused(lives: Lives, seq: int) -> None:  # noqa: F811
    backend = filled(lives)
    with pytest.raises(ConfigError, match="its last number is #3"):
        fork(backend, Vault(backend), ("Book", "Twin"), seq)
    backend.close()


def test_a_fork_goes_over_nobody_and_needs_somebody(lives: Lives) -> None:  # noqa: F811
    backend = filled(lives)
    vault = Vault(backend)
    with pytest.raises(ConfigError, match="choose another name"):
        fork(backend, vault, ("Book", "Book"), 1)
    with pytest.raises(ConfigError, match="no state of an agent 'Nobody'; there are Book"):
        fork(backend, vault, ("Nobody", "Twin"), 1)
    with pytest.raises(ConfigError):
        fork(backend, vault, ("Book", "a b"), 1)
    backend.close()


def test_history_that_was_removed_is_told(lives: Lives) -> None:  # noqa: F811
    backend = filled(lives)
    backend.remove(Family.BASES, b"", b"\xff")
    with pytest.raises(ConfigError, match="is not kept"):
        fork(backend, Vault(backend), ("Book", "Twin"), 2)
    backend.close()


def test_a_reset_agent_begins_with_its_defaults_and_its_old_state_is_put_aside(lives: Lives) -> None:  # noqa: F811
    backend = filled(lives)
    aside, puts = reset(backend, Vault(backend), "Book", "20260101-000000")
    backend.write(puts)
    assert kept_state(backend, Vault(backend), aside).fields["words"] == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="no state"):
        reset(backend, Vault(backend), "Book", "20260101-000000")
    backend.close()

    async def look(loom: Any) -> Any:
        await loom.publish("write.x", "new")
        await run_until_idle(loom)
        return loom.agent("Book").instance.words

    assert lives.live(Book, story=look) == ["new"]
    backend = opened(lives)
    assert kept_state(backend, Vault(backend), aside).fields["words"] == ["a", "b", "c"]
    backend.close()


def test_a_large_state_is_put_aside_with_its_changes(lives: Lives) -> None:  # noqa: F811
    class Large(Agent):
        text: str = ""
        n: int = 0

        @on("write.>")
        async def write(self, event, ctx):
            self.text = self.text or "".join(map(str, range(5000)))
            self.n += 1

    async def tell_it(loom: Any) -> None:
        for n in range(5):
            await loom.publish("write.x", n)
            await loom.idle()

    lives.live(Large, story=tell_it)
    backend = opened(lives)
    vault = Vault(backend)
    (large,) = kept_agents(backend)
    assert large.last is not None
    assert large.last[0] == 5  # also while only changes are written
    aside, puts = reset(backend, vault, "Large", "x")
    backend.write(puts)
    assert kept_state(backend, vault, aside).fields["n"] == 5
    assert backend.count(Family.CHANGES) == 0
    backend.close()


def test_a_fork_is_as_private_as_its_original(lives: Lives) -> None:  # noqa: F811
    async def secret(loom: Any) -> None:
        await loom.publish("write.x", "a")
        await loom.idle()
        await loom.publish("write.x", "b", label=Label(Confidentiality.PRIVATE))
        await loom.idle()

    lives.live(Book, story=secret)
    backend = opened(lives)
    vault = Vault(backend)
    backend.write(fork(backend, vault, ("Book", "Twin"), 2))
    assert kept_state(backend, vault, "Twin").label == Label(Confidentiality.PRIVATE)
    assert kept_state(backend, vault, "Twin").fields["words"] == ["a", "b"]
    backend.close()


def test_moments_of_one_agent_strictly_grow_also_when_the_clock_does_not() -> None:
    class Cell:
        name = "agent"

    class Happened:
        seq, id = 1, "x"

    history = History(None)
    moments = [history.moment(Cell(), Happened(), now) for now in (5, 5, 5, 6, 4, 9)]
    assert moments == sorted(set(moments))
    assert json.loads(json.dumps(moments)) == moments
