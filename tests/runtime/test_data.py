"""A runtime with a data folder: what was accepted, known and begun is there in the next one."""

from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, on
from loom.errors import StateError, StoreLocked
from loom.testing import new_loom, run, virtual_time


class Counter(Agent):
    count: int = 0

    @on("n")
    async def take(self, event: Event, ctx: Context) -> None:
        self.count += event.payload


def count(loom: Loom, name: str = "Counter") -> int:
    found: int = loom.agent(name).instance.count  # type: ignore[attr-defined]
    return found


@virtual_time
async def test_state_and_events_outlive_a_runtime_in_a_folder_that_need_not_be_there(tmp_path: Path) -> None:
    for life in range(1, 4):
        async with new_loom(Counter, data=tmp_path / "new" / "data") as loom:
            await loom.publish("n", 1)
            await loom.idle()
            assert count(loom) == life


@virtual_time
async def test_what_was_accepted_while_its_agent_was_away_is_handled_when_it_is_back(tmp_path: Path) -> None:
    class Other(Agent):
        @on("n")
        async def take(self, event: Event, ctx: Context) -> None: ...

    async with new_loom(Counter, Other, data=tmp_path) as loom:
        await loom.publish("n", 1)
        await loom.idle()
    async with new_loom(Other, data=tmp_path) as loom:
        await loom.publish("n", 10)
        await loom.idle()
    async with new_loom(Counter, Other, data=tmp_path) as loom:
        await loom.idle()
        assert count(loom) == 11


@virtual_time
async def test_an_agent_that_is_added_while_it_runs_goes_on_where_it_was(tmp_path: Path) -> None:
    async with new_loom(Counter, data=tmp_path) as loom:
        await loom.publish("n", 1)
        await loom.idle()
    async with new_loom(data=tmp_path) as loom:
        loom.add(Counter)
        await loom.publish("n", 2)
        await loom.idle()
        assert count(loom) == 3


@virtual_time
async def test_an_agent_may_listen_without_being_durable(tmp_path: Path) -> None:
    class Loose(Agent, name="Counter"):
        count: int = 0

        @on("n", durable=False)
        async def take(self, event: Event, ctx: Context) -> None:
            self.count += event.payload

    async with new_loom(Loose, data=tmp_path) as loom:
        await loom.publish("n", 1)
        await loom.idle()
        assert loom._durable is not None
        assert loom._durable.journal.seq == 0
    async with new_loom(Loose, data=tmp_path) as loom:
        assert count(loom) == 1  # its state is kept all the same


@virtual_time
async def test_a_folder_belongs_to_one_runtime_at_a_time(tmp_path: Path) -> None:
    async with new_loom(Counter, data=tmp_path):
        with pytest.raises(StoreLocked):
            new_loom(Counter, data=tmp_path)
    async with new_loom(Counter, data=tmp_path):
        pass


@virtual_time
async def test_a_default_that_cannot_be_kept_is_an_error_when_it_is_added(tmp_path: Path) -> None:
    class Odd(Agent):
        thing: Any = object()

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None: ...

    async with new_loom(Counter, data=tmp_path) as loom:
        with pytest.raises(StateError, match="thing"):
            loom.add(Odd)
        await loom.publish("n", 1)
        await loom.idle()
        assert count(loom) == 1


def test_events_published_before_the_start_wait_for_the_agents(tmp_path: Path) -> None:
    async def main() -> int:
        loom = new_loom(Counter, data=tmp_path)
        await loom.publish("n", 5)
        async with loom:
            await loom.idle()
            return count(loom)

    assert run(main()) == 5


@virtual_time
async def test_without_data_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with new_loom(Counter) as loom:
        await loom.publish("n", 1)
        await loom.idle()
        assert loom._durable is None
    assert list(tmp_path.iterdir()) == []
