"""Touch and pointer: what the kernel's records say, never what is typed, and a device that may be away."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._touch_records import RECORD, Records
from loom.adapters.touch import Touch
from loom.errors import ConfigError, DeviceLost
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe

END = (0, 0, 0)


def records(*each: tuple[int, int, int], seconds: int = 1) -> bytes:
    return b"".join(RECORD.pack(seconds, 500_000, *one) for one in each)


def test_a_mouse_moves_and_presses() -> None:
    told = Records().feed(
        records((2, 0, 3), (2, 1, -2), (2, 0, 1), END, (1, 0x110, 1), END, (1, 0x110, 0), (2, 8, -1), END)
    )
    assert told == [
        {"at_ms": 1500, "moved": {"dx": 4, "dy": -2}},
        {"at_ms": 1500, "buttons": {"left": True}},
        {"at_ms": 1500, "buttons": {"left": False}, "moved": {"wheel": -1}},
    ]


def test_two_fingers_come_and_go() -> None:
    touch = Records()
    told = touch.feed(
        records(
            (3, 0x2F, 0), (3, 0x39, 7), (3, 0x35, 10), (3, 0x36, 20), (1, 0x14A, 1), END,
            (3, 0x2F, 1), (3, 0x39, 8), (3, 0x35, 30), (3, 0x36, 40), END,
            (3, 0x2F, 0), (3, 0x39, -1), END,
        )
    )  # fmt: skip
    first, second = {"slot": 0, "x": 10, "y": 20}, {"slot": 1, "x": 30, "y": 40}
    assert [report["contacts"] for report in told] == [[first], [first, second], [second]]
    assert told[0]["buttons"] == {"touch": True}


def test_what_is_typed_is_never_told() -> None:
    assert Records().feed(records(*((1, code, 1) for code in range(0x100)), END)) == []


def test_after_records_were_dropped_the_rest_of_that_report_is_left_out() -> None:
    touch = Records()
    assert touch.feed(records((2, 0, 1), (0, 3, 0), (2, 0, 5), END, (2, 1, 2), END)) == [
        {"at_ms": 1500, "moved": {"dy": 2}}
    ]
    assert touch.dropped == 1


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_in_any_pieces_give_the_same_and_bounded_reports(data: bytes, size: int) -> None:
    whole, pieces, told = Records(), Records(), []
    for begin in range(0, len(data), size):
        told += pieces.feed(data[begin : begin + size])
    assert told == whole.feed(data)
    assert len(whole._contacts) <= 32


async def test_reports_are_events_and_a_device_that_ends_is_lost(tmp_path: Path) -> None:
    device = tmp_path / "event0"
    os.mkfifo(device)
    keep = os.open(device, os.O_RDWR)
    source = Touch("pad", device)
    async with Loom().add(source) as loom:
        probe, health = Probe(loom.bus, "touch.pad"), Probe(loom.bus, "loom.adapter.>")
        os.write(keep, records((1, 0x110, 1), END)[:30])
        os.write(keep, records((1, 0x110, 1), END)[30:])
        await probe.wait()
        assert probe.payloads == [{"at_ms": 1500, "buttons": {"left": True}}]
        assert source.statistics() == {"reports": 1, "shed": 0, "dropped": 0}
        other = os.open(device, os.O_WRONLY | os.O_NONBLOCK)
        os.close(keep)
        os.close(other)
        await health.wait()
        assert health.topics == ["loom.adapter.pad.lost"]
        device.unlink()


@pytest.mark.parametrize("kind", ["missing", "file", "forbidden"])
async def test_a_device_that_cannot_be_read_says_why_and_what_to_do(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "event0"
    if kind == "file":
        device.write_bytes(b"")
    if kind == "forbidden":

        def refuse(*arguments: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("loom.adapters.touch.os.open", refuse)
    expected = {"missing": "by-id", "file": "no input device", "forbidden": "usermod -aG input"}[kind]
    with pytest.raises((DeviceLost, ConfigError), match=expected):
        await asyncio.to_thread(Touch("pad", device)._open)


def test_one_block_of_a_project_file_asks_for_consent(tmp_path: Path) -> None:
    def made(device: str, more: str = "") -> Loom:
        text = f'[sources.pad]\nuse = "touch"\ndevice = "{device}"\n{more}'
        return build(parse_project(text, tmp_path / "loom.toml"))

    assert made("/dev/input/event0").source("pad").status == "not allowed"
    assert made("/dev/input/event0", 'consent = "given"\n').source("pad").status == "stopped"
    with pytest.raises(ConfigError, match="write its path"):
        made("event0")
