"""The directory: who is there, from what is announced, asked by request."""

from typing import Any

from loom import Agent, Context, Event, Loom, Restart, Retry, on
from loom.teams import Directory, Entry
from loom.testing import new_loom, run_until_idle, virtual_time


class Speaker(Agent):
    @on("speak.now")
    async def speak(self, event: Event, ctx: Context) -> None: ...

    async def on_start(self, ctx: Context) -> None:
        ctx.publish(f"loom.agent.{ctx.agent}.offers", {"topics": ["speak.*"], "actions": ["tts.speak"]})


class Weak(Agent, retry=Retry(attempts=1), restart=Restart(failures=1, restarts=0)):
    @on("weak")
    async def fail(self, event: Event) -> None:
        raise ValueError


class Asker(Agent):
    heard: list[Any] = []

    @on("ask")
    async def ask(self, event: Event, ctx: Context) -> None:
        reply = await ctx.request("loom.directory", event.payload)
        self.heard.append([entry["name"] for entry in reply.payload])


async def asked(loom: Loom, *questions: Any) -> Any:
    for question in questions:
        await loom.publish("ask", question)
    await run_until_idle(loom)
    return loom.agent("Asker").instance.heard


def entries(loom: Loom) -> dict[str, Entry]:
    found: dict[str, Entry] = loom.agent("Directory").instance.entries
    return found


@virtual_time
async def test_it_knows_who_is_there_and_finds_them_by_what_they_offer() -> None:
    async with new_loom(Speaker, Weak, Asker, Directory) as loom:
        loom.add(Speaker, name="other")
        heard = await asked(
            loom,
            None,
            {"topic": "speak.now"},
            {"action": "tts.speak"},
            {"topic": "nothing"},
            {"agent": "Weak"},
        )
        assert heard == [
            ["Asker", "Directory", "Speaker", "Weak", "other"],
            ["Speaker", "other"],
            ["Speaker", "other"],
            [],
            ["Weak"],
        ]
        assert entries(loom)["Speaker"].actions == ["tts.speak"]
        assert "speak.*" in entries(loom)["Speaker"].topics


@virtual_time
async def test_it_is_kept_current() -> None:
    async with new_loom(Weak, Directory) as loom:
        await run_until_idle(loom)
        assert entries(loom)["Weak"].status == "running"
        await loom.publish("weak")
        await run_until_idle(loom, 60)
        assert entries(loom)["Weak"].status == "parked"
        await loom.unpark("Weak")
        await run_until_idle(loom)
        assert entries(loom)["Weak"].status == "running"


@virtual_time
async def test_what_it_knew_in_an_earlier_life_is_unknown_until_the_agent_speaks() -> None:
    known = Directory(entries={"gone": Entry("gone", "running"), "Speaker": Entry("Speaker", "parked")})
    async with new_loom(known, Speaker) as loom:
        await run_until_idle(loom)
        assert {name: entry.status for name, entry in entries(loom).items()} == {
            "gone": "unknown",
            "Directory": "running",
            "Speaker": "running",
        }


@virtual_time
async def test_it_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr("loom.teams.directory._MOST", 3)
    async with new_loom(Directory) as loom:
        for number in range(9):
            await loom.publish(f"loom.agent.a{number}.started", {})
            await loom.publish("loom.agent.a1.parked", "not a dict")
        await run_until_idle(loom)
        assert sorted(entries(loom)) == ["Directory", "a0", "a1"]
        assert entries(loom)["a1"].status == "parked"
        assert loom.dead_letters == []
