"""Sinks and whole platforms: what they bring is there when they are added, and is closed in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loom import action, source
from loom.actions import Action
from loom.actions.action import ACTION
from loom.adapters import ActionSink, EventSource, HostAdapter, Out
from loom.testing import new_loom, virtual_time


class Device:
    """A device; ``open`` says whether somebody has it."""

    name = "touch"
    topics = ("touch.>",)

    def __init__(self) -> None:
        self.open = 0

    async def run(self, out: Out) -> None:
        self.open += 1
        try:
            await asyncio.sleep(1e6)
        finally:
            self.open -= 1


class Lamp:
    """A sink with one action."""

    name = "lamp"

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary

        @action("lamp.on")
        async def turn() -> None:
            self.diary.append("on")

        self._action: Action = getattr(turn, ACTION)

    def actions(self) -> list[Action]:
        return [self._action]

    async def close(self) -> None:
        self.diary.append("lamp closed")
        raise OSError("stuck")


class Phone:
    """A whole platform."""

    name = "phone"

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.device = Device()

    def sources(self) -> list[Any]:
        @source("door")
        async def door(out: Out) -> None:
            self.diary.append("door runs")

        return [self.device, door]

    def sinks(self) -> list[Lamp]:
        return [Lamp(self.diary)]

    async def start(self) -> None:
        await asyncio.sleep(1)
        self.diary.append("started")

    async def close(self) -> None:
        assert self.device.open == 0
        self.diary.append("closed")


@virtual_time
@pytest.mark.parametrize("late", [False, True])
async def test_a_host_brings_its_sources_and_sinks_and_is_closed_after_them(late: bool) -> None:
    phone = Phone()
    assert isinstance(phone, HostAdapter)
    assert isinstance(phone.device, EventSource)
    assert isinstance(Lamp([]), ActionSink)
    loom = new_loom(*([] if late else [phone]))
    async with loom:
        if late:
            loom.add(phone)
        await asyncio.sleep(2)
        assert phone.device.open == 1
        await loom.call("lamp.on")
        assert set(loom.statistics().sources) == {"touch", "door"}
    assert phone.diary == ["started", "door runs", "on", "lamp closed", "closed"]
