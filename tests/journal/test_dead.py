"""Dead letters on disk: kept with the position, retried exactly once by the subscription that gave them up, bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Confidentiality, Label, Loom, QoS, Restart, Retry, on
from loom.errors import ConfigError
from loom.event import Event
from loom.journal.dead import DeadLetters, Letter, letter_of
from loom.store import Family
from loom.store.families import join, number
from loom.store.sqlite import SqliteBackend
from loom.testing import new_loom, run, run_until_idle, virtual_time
from tests.agent.ledgers import Lives, lives  # noqa: F401 - a fixture

ONCE = Retry(attempts=1)


class Broken(Agent, retry=ONCE):
    """Fails until somebody has mended it."""

    mended = False
    handled: list[str] = []

    @on("work.>")
    async def take(self, event, ctx):
        if not type(self).mended:
            raise ValueError(f"cannot do {event.payload}")
        self.handled.append(event.payload)
        ctx.publish("done", event.payload)


class Other(Agent):
    """Handles the same events, without trouble."""

    seen: int = 0

    @on("work.>")
    async def take(self, event, ctx):
        self.seen += 1

    @on("done")
    async def done(self, event, ctx):
        self.seen += 100


@pytest.fixture(autouse=True)
def broken() -> None:
    Broken.mended = False


def state(loom: Loom, agent: str, name: str) -> Any:
    return getattr(loom.agent(agent).instance, name)


async def fill(loom: Loom, *payloads: str) -> None:
    for payload in payloads:
        await loom.publish("work.x", payload)
    await loom.idle()


def letters(folder: Path) -> list[Letter]:
    backend = SqliteBackend(folder, read_only=True)
    try:
        return DeadLetters(backend).letters()
    finally:
        backend.close()


def dead_causes(folder: Path) -> list[bytes]:
    backend = SqliteBackend(folder, read_only=True)
    try:
        return [key for key, _ in backend.scan(Family.CAUSES, limit=10_000) if b"\0dead\0" in key]
    finally:
        backend.close()


def test_a_dead_letter_outlives_the_process_with_what_led_to_it(lives: Lives) -> None:  # noqa: F811
    lives.live(Broken, story=lambda loom: fill(loom, "a", "b"))
    kept = letters(lives.folder)
    assert [(each.number, each.error, each.subscription, each.attempts) for each in kept] == [
        (1, "ValueError: cannot do a", "Broken.take", 1),
        (2, "ValueError: cannot do b", "Broken.take", 1),
    ]
    assert [each.chain[-1] for each in kept] == [["work.x", each.id] for each in kept]
    assert sorted(dead_causes(lives.folder)) == sorted(
        join(each.id, "dead", number(each.number)) for each in kept
    )


@pytest.mark.parametrize("dies", ["before", "after"])
def test_letter_and_position_are_kept_together_or_neither(lives: Lives, dies: Any) -> None:  # noqa: F811
    boundaries = 12
    for at in range(1, boundaries):
        lives.folder = lives.folder.parent / f"{dies}-{at}"
        lives.live(Broken, story=lambda loom: fill(loom, "a", "b", "c"), at=at, dies=dies)
        lives.live(Broken)
        kept = letters(lives.folder)
        published = 0
        backend = SqliteBackend(lives.folder, read_only=True)
        published = backend.count(Family.JOURNAL)
        backend.close()
        assert len(kept) == published, f"died {dies} write {at}"
        assert len({each.id for each in kept}) == published


def test_a_letter_is_retried_by_the_subscription_that_gave_it_up_and_by_no_other(lives: Lives) -> None:  # noqa: F811
    lives.live(Broken, Other, story=lambda loom: fill(loom, "a"))
    Broken.mended = True

    async def retry(loom: Loom) -> tuple[Any, ...]:
        await loom.dead.retry(1)
        await loom.idle()
        return state(loom, "Broken", "handled"), state(loom, "Other", "seen"), len(loom.dead)

    assert lives.live(Broken, Other, story=retry) == (["a"], 101, 0)
    assert letters(lives.folder) == []
    assert dead_causes(lives.folder) == []


def test_what_was_marked_while_nothing_ran_is_retried_at_the_next_start(lives: Lives) -> None:  # noqa: F811
    lives.live(Broken, story=lambda loom: fill(loom, "a", "b"))
    backend = SqliteBackend(lives.folder)
    dead = DeadLetters(backend)
    backend.write(dead.mark(dead.get(2)))
    backend.close()
    Broken.mended = True

    async def look(loom: Loom) -> Any:
        await loom.idle()
        return state(loom, "Broken", "handled")

    assert lives.live(Broken, story=look) == ["b"]
    assert [each.number for each in letters(lives.folder)] == [1]


def test_a_letter_that_fails_again_is_dead_again_and_can_be_retried_again(lives: Lives) -> None:  # noqa: F811
    lives.live(Broken, story=lambda loom: fill(loom, "a"))

    async def retry(loom: Loom) -> Any:
        await loom.dead.retry(1)
        await loom.idle()
        return state(loom, "Broken", "handled")

    assert lives.live(Broken, story=retry) == []
    (kept,) = letters(lives.folder)
    assert (kept.number, kept.retry, kept.retries, kept.attempts) == (1, False, 1, 2)
    Broken.mended = True
    assert lives.live(Broken, story=retry) == ["a"]
    assert letters(lives.folder) == []


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_retry_is_exactly_once_over_a_crash_at_any_write(lives: Lives, dies: Any) -> None:  # noqa: F811
    async def retry(loom: Loom) -> None:
        await loom.dead.retry_all()
        await loom.idle()

    async def look(loom: Loom) -> Any:
        await loom.idle()
        await run_until_idle(loom)
        return sorted(state(loom, "Broken", "handled")), state(loom, "Other", "seen")

    for at in range(1, 8):
        Broken.mended = False
        lives.folder = lives.folder.parent / f"{dies}-{at}"
        lives.live(Broken, Other, story=lambda loom: fill(loom, "a", "b", "c"))
        Broken.mended = True
        lives.live(Broken, Other, story=retry, at=at, dies=dies)
        handled, seen = lives.live(Broken, Other, story=look)
        left = len(letters(lives.folder))
        assert len(handled) + left == 3, f"died {dies} write {at}"
        assert seen == 3 + 100 * len(handled)
        lives.live(Broken, Other, story=retry)
        assert lives.live(Broken, Other, story=look) == (["a", "b", "c"], 303)


def test_a_retry_that_could_not_be_kept_is_handled_again_and_once(lives: Lives) -> None:  # noqa: F811
    lives.live(Broken, story=lambda loom: fill(loom, "a"))
    Broken.mended = True

    async def retry(loom: Loom) -> Any:
        assert lives.faulty is not None
        await loom.dead.retry(1)
        lives.faulty.at = lives.faulty.writes + 1
        await run_until_idle(loom, 60)
        return state(loom, "Broken", "handled")

    assert lives.live(Broken, story=retry) == ["a"]
    assert letters(lives.folder) == []


def test_a_realtime_letter_is_gone_before_it_is_handled_again(lives: Lives) -> None:  # noqa: F811
    class Quick(Agent):
        seen: int = 0

        @on("quick", qos=QoS.REALTIME)
        async def take(self, event, ctx):
            if not Broken.mended:
                raise ValueError("no")
            self.seen += 1

    async def flood(loom: Loom) -> None:
        await loom.publish("quick", 7)
        await loom.idle()

    async def retry(loom: Loom) -> Any:
        await loom.dead.retry(1)
        await loom.idle()
        return state(loom, "Quick", "seen"), len(loom.dead)

    lives.live(Quick, story=flood)
    (kept,) = letters(lives.folder)
    assert (kept.seq, kept.event != "") == (0, True)
    Broken.mended = True
    assert lives.live(Quick, story=retry) == (1, 0)


def test_a_private_event_outside_the_journal_leaves_neither_itself_nor_its_error(tmp_path: Path) -> None:
    event = Event("x", "my secret", topic="a", label=Label(Confidentiality.PRIVATE))
    letter = letter_of(event, "agent", "agent.take", "failed", "ValueError: my secret")
    assert b"secret" not in letter.row()
    assert letter.error.startswith("ValueError (its text is kept back")
    backend = SqliteBackend(tmp_path)
    dead = DeadLetters(backend)
    backend.write(dead.bury(letter, 5, 1))
    with pytest.raises(ConfigError, match="no longer kept"):
        dead.mark(dead.get(1))
    backend.close()


def test_letters_are_bounded_by_number_and_age_and_the_others_are_counted(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path)
    dead = DeadLetters(backend, kept=10, age_ms=1000)
    for now in range(25):
        backend.write(
            dead.bury(letter_of(Event("x", topic="a"), "agent", "agent.take", "failed", ""), now, 1)
        )
    assert [each.number for each in dead.letters()] == list(range(16, 26))
    assert (dead.count, dead.gone) == (10, 15)
    backend.write(dead.bury(letter_of(Event("x", topic="a"), "agent", "agent.take", "failed", ""), 5000, 1))
    assert dead.count == 9  # two old ones go for each that comes
    reopened = DeadLetters(backend, kept=10)
    assert (reopened.count, reopened.gone) == (9, 17)
    assert backend.count(Family.CAUSES) == 9
    backend.close()


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path)
    for expected in (1, 2, 3):
        dead = DeadLetters(backend)
        backend.write(dead.bury(letter_of(Event("x", topic="a"), "agent", "s", "failed", ""), 1, 1))
        assert [each.number for each in dead.letters()] == [expected]
        backend.write(dead.remove(dead.get(expected)))
    backend.close()


def test_what_never_reached_a_handler_can_only_be_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with new_loom(data=tmp_path / "data") as loom:
            loom._services.bury("agent", Event("x", topic="a"), "hop_limit", "derived 33 times")
            await loom.idle()
            with pytest.raises(ConfigError, match="never reached a handler"):
                await loom.dead.retry(1)
            with pytest.raises(ConfigError, match="no dead letter 9"):
                await loom.dead.drop(9)
            await loom.dead.drop(1)
            assert loom.dead.letters() == []

    run(main())


@virtual_time
async def test_a_runtime_without_a_store_says_where_its_dead_letters_are() -> None:
    async with new_loom() as loom:
        with pytest.raises(ConfigError, match=r"loom\.dead_letters"):
            _ = loom.dead


def test_many_letters_are_retried_through_a_small_queue(lives: Lives) -> None:  # noqa: F811
    class Small(Agent, retry=ONCE, restart=Restart(failures=1000)):
        done: int = 0

        @on("work.>", capacity=2)
        async def take(self, event, ctx):
            await asyncio.sleep(0.01)
            if not Broken.mended:
                raise ValueError("no")
            self.done += 1

    look: Callable[[Loom], Any] = lambda loom: state(loom, "Small", "done")  # noqa: E731

    async def retry(loom: Loom) -> Any:
        await loom.dead.retry_all()
        await run_until_idle(loom, 5)
        return look(loom), len(loom.dead)

    lives.live(Small, story=lambda loom: fill(loom, *map(str, range(40))))
    Broken.mended = True
    assert lives.live(Small, story=retry) == (40, 0)


def test_an_event_without_a_key_is_retried_when_the_key_has_been_mended(lives: Lives) -> None:  # noqa: F811
    def room(key: str) -> type[Agent]:
        class Room(Agent, key=key):
            visits: int = 0

            @on("visit")
            async def visit(self, event, ctx):
                self.visits += 1

        return Room

    async def visit(loom: Loom) -> None:
        await loom.publish("visit", {"room": "kitchen"})
        await loom.idle()

    async def retry(loom: Loom) -> Any:
        await loom.dead.retry(1)
        await run_until_idle(loom, 1)
        return len(loom.dead)

    lives.live(room("payload.romo"), story=visit)
    (kept,) = letters(lives.folder)
    assert (kept.agent, kept.subscription, kept.reason) == ("Room", "Room.visit", "no_key")
    assert lives.live(room("payload.romo"), story=retry) == 1
    assert letters(lives.folder)[0].retries == 1
    assert lives.live(room("payload.room"), story=retry) == 0
    assert [key for key in lives.rows(Family.STATES) if "Room/kitchen" in key]


def test_a_retry_that_is_cancelled_leaves_the_letter_for_another_try(lives: Lives) -> None:  # noqa: F811
    class Slow(Agent, retry=ONCE):
        seen: int = 0

        @on("work.>")
        async def take(self, event, ctx):
            if not Broken.mended:
                raise ValueError("no")
            await asyncio.sleep(10)
            self.seen += 1

    async def first(loom: Loom) -> None:
        await loom.publish("work.x", 1, scope="turn")
        await loom.idle()

    async def cancelled(loom: Loom) -> Any:
        await loom.dead.retry(1)
        await asyncio.sleep(1)
        loom.cancel("turn")
        await loom.idle()
        return [each.retry for each in loom.dead.letters()]

    async def again(loom: Loom) -> Any:
        await loom.dead.retry(1)
        await loom.idle()
        return state(loom, "Slow", "seen"), len(loom.dead)

    lives.live(Slow, story=first)
    Broken.mended = True
    assert lives.live(Slow, story=cancelled) == [False]
    assert lives.live(Slow, story=again) == (1, 0)
