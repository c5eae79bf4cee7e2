"""The clipboard: asks first, tells another text once, bounded, and says what is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loom.adapters.clipboard import Clipboard, reader
from loom.errors import ConfigError
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe


def test_the_program_is_the_one_of_this_desktop() -> None:
    def there(name: str) -> str:
        return f"/usr/bin/{name}"

    def only(known: str) -> object:
        return lambda name: f"/usr/bin/{name}" if name == known else None

    wayland = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}
    assert reader("darwin", {}, there) == ["/usr/bin/pbpaste"]
    assert reader("linux", wayland, there) == ["/usr/bin/wl-paste", "--no-newline", "--type", "text"]
    assert reader("linux", {"DISPLAY": ":0"}, there) == ["/usr/bin/xclip", "-selection", "clipboard", "-out"]
    assert reader("linux", wayland, only("xsel")) == ["/usr/bin/xsel", "--clipboard", "--output"]  # type: ignore[arg-type]
    assert reader("linux", {}, there) is None
    assert reader("linux", wayland, lambda name: None) is None


async def test_a_text_that_was_copied_is_told_once_and_cut(tmp_path: Path) -> None:
    board = tmp_path / "board"
    board.write_text("before")
    looks = tmp_path / "looks"
    looks.touch()
    script = f"echo >> {looks}; cat {board}"
    source = Clipboard("clipboard", every=0.1, longest=5, command=["/bin/sh", "-c", script])

    async def looked_at(times: int = 2) -> None:
        """When a look that begins from now on is over."""
        before = looks.stat().st_size
        while looks.stat().st_size < before + times:
            await asyncio.sleep(0.01)

    async with Loom().add(source) as loom:
        probe = Probe(loom.bus, "clipboard.text")
        await looked_at()  # what it held at the start has been seen
        board.write_text("copied")
        await probe.wait(1)
        board.unlink()  # empty, or a picture: no text
        await looked_at()
        board.write_text("next")
        await probe.wait(2)
        assert probe.payloads == [
            {"text": "copie", "size": 6, "cut": 1},
            {"text": "next", "size": 4, "cut": 0},
        ]


def test_it_is_silent_until_somebody_allows_it_and_needs_a_desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")

    def made(text: str) -> Loom:
        return build(parse_project(f'[sources.board]\nuse = "clipboard"\n{text}', tmp_path / "loom.toml"))

    async def main(loom: Loom) -> None:
        async with loom:
            probe = Probe(loom.bus, "loom.>")
            assert loom.source("board").status == "not allowed"
            assert probe.events == []
            await loom.allow("board")
            await probe.wait(2)
            assert any("xclip" in str(payload) for payload in probe.payloads)

    asyncio.run(main(made("")))
    with pytest.raises(ConfigError, match="every is 0"):
        made("every = 0")
