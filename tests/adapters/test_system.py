"""This machine as a source: figures for an interval, processes told once, shed when nobody has room."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters.system import System, changes
from loom.errors import ConfigError, MissingExtra
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe, new_loom, virtual_time


class Job(NamedTuple):
    pid: int
    started_ms: int
    name: str


class Machine:
    """A machine that does what the test says."""

    def __init__(self) -> None:
        self.bytes = (1000, 5000)
        self.jobs: set[Job] = {Job(1, 10, "init")}
        self.asked: Sequence[str] = ()

    def metrics(self, disks: Sequence[str]) -> dict[str, Any]:
        return {"cpu": 12.5, "disks": dict.fromkeys(disks)}

    def traffic(self) -> tuple[int, int]:
        return self.bytes

    def running(self, patterns: Sequence[str]) -> Iterable[Any]:
        self.asked = patterns
        return self.jobs


@virtual_time
async def test_readings_come_at_the_interval_with_traffic_per_second() -> None:
    machine = Machine()
    async with new_loom(System("system", machine, every=10)) as loom:
        probe = Probe(loom.bus, "system.*")
        await asyncio.sleep(5)
        assert probe.events == []
        machine.bytes = (3000, 5500)
        await asyncio.sleep(6)
        assert probe.payloads == [
            {"cpu": 12.5, "disks": {"/": None}, "network": {"sent": 200, "received": 50}}
        ]
        machine.bytes = (0, 0)  # the counters began anew
        await asyncio.sleep(10)
        assert probe.payloads[1]["network"] == {"sent": 0, "received": 0}
    assert machine.asked == ()


@virtual_time
async def test_processes_that_come_and_go_are_told_once_also_under_a_number_used_again() -> None:
    machine = Machine()
    async with new_loom(System("system", machine, every=1, processes=["i*"])) as loom:
        probe = Probe(loom.bus, "system.*")
        await asyncio.sleep(1.5)
        machine.jobs = {Job(1, 99, "init"), Job(2, 50, "idle")}
        await asyncio.sleep(3)
        told = [(e.type, e.payload) for e in probe.events if e.type != "metrics"]
        assert told == [
            ("ended", {"pid": 1, "started_ms": 10, "name": "init"}),
            ("started", {"pid": 1, "started_ms": 99, "name": "init"}),
            ("started", {"pid": 2, "started_ms": 50, "name": "idle"}),
        ]


JOBS = st.frozensets(st.builds(Job, st.integers(1, 5), st.integers(1, 3), st.sampled_from("ab")))


@given(JOBS, JOBS)
def test_what_changed_turns_one_look_into_the_other(before: frozenset[Job], after: frozenset[Job]) -> None:
    now = set(before)
    for kind, job in changes(before, after):
        (now.remove if kind == "ended" else now.add)(job)
    assert now == after


def test_an_interval_that_makes_no_sense_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="every is 0 seconds"):
        System("system", Machine(), every=0)


def test_without_psutil_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import loom.adapters

    monkeypatch.delattr(loom.adapters, "_system_readings", raising=False)
    monkeypatch.delitem(sys.modules, "loom.adapters._system_readings", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingExtra, match="desktop"):
        build(parse_project('[sources.system]\nuse = "system"\n', tmp_path / "loom.toml"))


async def test_one_block_of_a_project_file_reads_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    text = '[sources.box]\nuse = "system"\nevery = 0.1\nprocesses = ["*"]\n'
    project = await asyncio.to_thread(parse_project, text, tmp_path / "loom.toml")
    async with await asyncio.to_thread(build, project) as loom:
        metrics, started = Probe(loom.bus, "system.metrics"), Probe(loom.bus, "system.started")
        await metrics.wait()
        (first, *_) = metrics.payloads
        assert 0 <= first["cpu"] <= 100 * first["cpus"]
        assert 0 < first["memory"]["available"] <= first["memory"]["total"]
        assert first["disks"]["/"]["total"] > 0
        assert set(first) >= {"swap", "battery", "temperatures", "network"}
        child = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
        )
        try:
            while child.pid not in [p["pid"] for p in started.payloads]:
                await started.wait(started.count + 1)
        finally:
            await asyncio.to_thread(child.communicate)
