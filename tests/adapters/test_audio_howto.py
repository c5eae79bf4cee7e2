"""The how-to pages of sources, sinks and sound: every block of a project file builds, every program runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe, new_loom, virtual_time
from tests.adapters import sounds

DOCS = Path(__file__).parent.parent.parent / "docs" / "how-to"
AUDIO, ADAPTERS = (DOCS / "audio.md").read_text(), (DOCS / "adapters.md").read_text()


def blocks(page: str, kind: str) -> list[str]:
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("text", blocks(AUDIO, "toml"))
def test_each_block_about_sound_builds(text: str, tmp_path: Path) -> None:
    build(parse_project(text, tmp_path / "loom.toml"))


def program(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, "page", "exec"), names)
    return names


@virtual_time
async def test_the_seconds_of_a_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    await asyncio.to_thread(sounds.write, path, sounds.wav(bytes(48_000)))
    (text,) = blocks(AUDIO, "python")
    assert await program(text)["seconds_in"](path) == pytest.approx(1.5)


@virtual_time
async def test_the_thermometer_is_lost_and_found_and_the_lamp_is_lit() -> None:
    source, sink = (program(text) for text in blocks(ADAPTERS, "python"))
    broken = False

    def read() -> float:
        if broken:
            raise OSError("no answer")
        return 12.5

    lamp = sink["Lamp"]("lamp")
    async with new_loom(lamp) as loom:
        probe = Probe(loom.bus, ">")
        loom.add(source["Thermometer"]("cellar", read), grants=["room.>"])
        await asyncio.sleep(1.5)
        broken = True
        await asyncio.sleep(30)
        broken = False
        await asyncio.sleep(90)
        await loom.call("lamp.set", on=True)
        assert lamp.lit
        topics = [event.topic for event in probe.events]
        assert topics[:3] == ["room.temperature", "room.temperature", "loom.adapter.cellar.lost"]
        assert topics.count("loom.adapter.cellar.found") == 1
    assert not lamp.lit
