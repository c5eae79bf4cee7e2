"""Cards: printed, published in order, replaced by their id, and only the last ones kept."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from loom.adapters.show import Cards
from loom.errors import ConfigError
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


@virtual_time
async def test_a_card_is_printed_published_and_kept() -> None:
    stream = io.StringIO()
    cards = Cards(stream=stream)
    async with new_loom(cards) as loom:
        probe = Probe(loom.bus, "ui.>")
        id = await loom.call("ui.show", title="Door", text="Somebody\x1b[2J", fields={"at": 3})
        await run_until_idle(loom, 1)
        (event,) = probe.events
        assert (event.topic, event.source) == ("ui.card", "ui")
        assert event.payload == {"id": id, "title": "Door", "text": "Somebody�[2J", "fields": {"at": "3"}}
        assert stream.getvalue() == "── Door\nSomebody�[2J\nat: 3\n"
        assert list(cards.cards.values()) == [event.payload]


@virtual_time
async def test_the_last_ones_are_kept_and_an_id_replaces_its_card() -> None:
    cards = Cards(keep=2, quiet=True)
    async with new_loom(cards) as loom:
        probe = Probe(loom.bus, "ui.card")
        for title, id in (("one", "a"), ("two", "b"), ("one again", "a"), ("three", "c")):
            assert await loom.call("ui.show", title=title, id=id) == id
        await run_until_idle(loom, 1)
        assert [card["title"] for card in cards.cards.values()] == ["one again", "three"]
        assert [payload["title"] for payload in probe.payloads] == ["one", "two", "one again", "three"]


@virtual_time
async def test_cards_that_nobody_takes_are_shed_oldest_first_and_counted() -> None:
    cards = Cards(quiet=True)
    async with new_loom(cards) as loom:
        await loom.mute("ui")
        probe = Probe(loom.bus, "ui.card")
        for n in range(70):
            await loom.call("ui.show", title=str(n))
        assert cards.statistics() == {"cards": 20, "waiting": 64, "shed": 6}
        await loom.unmute("ui")
        await run_until_idle(loom, 1)
        assert [payload["title"] for payload in probe.payloads] == [str(n) for n in range(6, 70)]


@virtual_time
async def test_a_card_that_waits_for_room_is_published_after_a_pause() -> None:
    cards = Cards(quiet=True)
    heard: list[Any] = []

    class Narrow:
        full = True

        async def __call__(self, topic: str, payload: Any) -> None:
            if self.full:
                await asyncio.Event().wait()
            heard.append(payload["title"])

    out: Any = Narrow()
    async with new_loom() as loom:
        loom.add(*cards.sinks())
        await loom.call("ui.show", title="one")
        for out.full in (True, False):
            task = asyncio.create_task(cards.run(out))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait({task})
    assert heard == ["one"]


def test_one_block_of_a_project_file_shows_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def made(text: str) -> Loom:
        return build(parse_project(text, tmp_path / "loom.toml"))

    async def main(loom: Loom) -> None:
        async with loom:
            probe = Probe(loom.bus, "desk.card")
            await loom.call("ui.show", title="Door")
            await probe.wait()

    asyncio.run(main(made('[actions.ui]\nuse = "ui"\ntopic = "desk.card"\n')))
    assert "── Door" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="keep 1 to 10000"):
        made('[actions.ui]\nuse = "ui"\nkeep = 0\n')
