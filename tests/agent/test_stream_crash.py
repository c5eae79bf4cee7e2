"""Streams over a crash: whole ones outlive the process, broken ones are asked for anew."""

import asyncio
from typing import Any

from loom import Loom
from loom.errors import ModelFailed
from loom.store import Family
from loom.testing import FakeBackend
from tests.agent.ledgers import Lives, lives
from tests.agent.readers import Careful, Reader

__all__ = ["lives"]


class Durable(Reader, name="Reader"):
    """Waits for long before its step ends."""

    async def _after(self) -> None:
        await asyncio.sleep(1000)


async def heard(loom: Loom) -> Any:
    await loom.idle()
    return loom.agent("Reader").instance.heard


def dying(lives: Lives, backend: FakeBackend, seconds: float = 5) -> Any:
    async def story(loom: Loom) -> None:
        loom.add_model(backend)
        await loom.publish("read", "hello")
        await asyncio.sleep(seconds)
        lives.die()

    return story


def test_a_whole_stream_outlives_the_process(lives: Lives) -> None:
    backend = FakeBackend("chat", [["a", {"text": "b"}, b"c", 4.5]], delay=0.1)
    lives.live(Durable, story=dying(lives, backend))
    assert len(lives.rows(Family.RECORDS)) == 1
    assert lives.live(Reader, story=heard) == ["a", {"text": "b"}, b"c", 4.5], (
        "and no model is there to be asked"
    )
    assert len(backend.requests) == 1
    assert lives.rows(Family.RECORDS) == {}


def test_a_stream_that_a_crash_broke_off_is_asked_for_anew(lives: Lives) -> None:
    lives.live(Reader, story=dying(lives, FakeBackend("chat", [list("abcdef")], delay=1), seconds=2.5))
    backend = FakeBackend("chat", [["x", "y"]])

    async def second(loom: Loom) -> Any:
        loom.add_model(backend)
        return await heard(loom)

    assert lives.live(Reader, story=second) == ["x", "y"]
    assert len(backend.requests) == 1


def test_a_break_that_was_dealt_with_comes_again_after_a_crash(lives: Lives) -> None:
    class Slow(Careful, name="Careful"):
        _failures = 0

        async def _after(self) -> None:
            await asyncio.sleep(1000)

    class Swift(Careful, name="Careful"):
        _failures = 0

    async def first(loom: Loom) -> None:
        loom.add_model(FakeBackend("chat", [["a", ModelFailed("gone")]]))
        loom.add_model(FakeBackend("other", ["b"], name="other"))
        await loom.publish("read")
        await asyncio.sleep(5)
        lives.die()

    async def second(loom: Loom) -> Any:
        await loom.idle()
        return loom.agent("Careful").instance.heard

    lives.live(Slow, story=first)
    assert lives.live(Swift, story=second) == ["a", "ModelFailed: gone", "b"]
