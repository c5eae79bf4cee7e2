"""Queries in a runtime that is stopped in the middle of one and started again."""

from pathlib import Path

from loom import Agent, Context, Event, Loom
from loom.queries import sequence, threshold, when
from loom.testing import new_loom, run_until_idle, virtual_time


class Guard(Agent):
    seen: list[list[str]] = []

    @when(sequence("door", "motion", within=10))
    async def intruder(self, event: Event, ctx: Context) -> None:
        self.seen.append([e["id"] for e in event.payload["events"]])

    @when(threshold("motion", 3, window=60, by="payload.room"))
    async def busy(self, event: Event, ctx: Context) -> None:
        self.seen.append([event.payload["key"], *(e["id"] for e in event.payload["events"])])


def guard(loom: Loom) -> Guard:
    found = loom.agent("Guard").instance
    assert isinstance(found, Guard)
    return found


@virtual_time
async def test_what_was_half_found_before_a_restart_is_found_after_it(tmp_path: Path) -> None:
    parts = [
        ("door", "d1"),
        ("motion", "m1"),
        ("motion", "m2"),
        ("door", "d2"),
        ("motion", "m3"),
        ("motion", "m4"),
    ]
    for topic, name in parts:  # a life of the runtime for each
        async with new_loom(Guard, data=tmp_path / "data") as loom:
            await loom.publish(topic, {"room": "hall"}, id=name)
            await loom.publish(topic, {"room": "hall"}, id=name)  # twice
            await run_until_idle(loom, 1)
            seen = guard(loom).seen
    assert seen[0] == ["d1", "m1"]
    assert sorted(seen[1:]) == [["d2", "m3"], ["hall", "m1", "m2", "m3"]]
