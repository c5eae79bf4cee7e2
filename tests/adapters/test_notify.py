"""Notifications: one argument list for the desktop's program, and one clear line where there is no desktop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loom.adapters import notify as module
from loom.adapters.notify import Notifications, command
from loom.errors import ActionFailed
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project

SHELL = """#!/bin/sh
for each in "$@"; do printf '%s\\n' "$each"; done >> "{told}"
"""


def test_text_is_text_for_both_desktops() -> None:
    assert command("/usr/bin/notify-send", "-i evil", "<b>1 & 2</b>", "low") == [
        "/usr/bin/notify-send", "--app-name=Loom", "--urgency=low", "--", "-i evil", "&lt;b&gt;1 &amp; 2&lt;/b&gt;",
    ]  # fmt: skip
    mac = command("/usr/bin/osascript", '" & do shell script "x', "text", "low")
    assert mac[-2:] == ['" & do shell script "x', "text"]
    assert mac[1:-2:2] == ["-e", "-e", "-e"]
    assert command("/x/notify-send", "", "\x1b]0;x\x07", "low")[-2:] == ["Loom", "�]0;x�"]


async def test_the_program_is_started_with_what_was_said(tmp_path: Path) -> None:
    fake = tmp_path / "notify-send"
    fake.write_text(SHELL.format(told=tmp_path / "told"))
    fake.chmod(0o755)
    async with Loom().add(Notifications("notify", str(fake))) as loom:
        await loom.call("notify.send", title="Door", text="Somebody is there", urgency="critical")
        with pytest.raises(ActionFailed, match="urgency"):
            await loom.call("notify.send", title="Door", urgency="loud")
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["--app-name=Loom", "--urgency=critical", "--", "Door", "Somebody is there"]


async def test_a_desktop_that_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    fake = tmp_path / "notify-send"
    fake.write_text("#!/bin/sh\necho 'cannot autolaunch D-Bus' >&2\nexit 1\n")
    fake.chmod(0o755)
    async with Loom().add(Notifications("notify", str(fake))) as loom:
        with pytest.raises(ActionFailed, match="cannot autolaunch D-Bus"):
            await loom.call("notify.send", title="Door")


def test_without_a_desktop_one_line_says_so_and_what_to_use_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "notifier", lambda: None)
    loom = build(parse_project('[actions.notify]\nuse = "notify"\n', tmp_path / "loom.toml"))

    async def main() -> None:
        async with loom:
            with pytest.raises(ActionFailed, match=r'no desktop .* use "console" or "ui" instead'):
                await loom.call("notify.send", title="Door")

    asyncio.run(main())
