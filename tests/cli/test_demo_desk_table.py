"""The table of demos: each row's module describes its own options, and a row without a module is left out."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loom.cli import demo
from loom.cli.demo import DEMOS, Demo, demos
from loom.cli.main import main


def parsed(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    demo.describe(parser)
    return parser.parse_args(given)


def test_a_row_whose_module_does_not_exist_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DEMOS, "moon", Demo("loom.cli._moon_demo", "there is none"))
    assert "camera" in demos()
    assert "moon" not in demos()
    assert main(["demo", "moon"]) == 2
    assert "invalid choice: 'moon'" in capsys.readouterr().err


def test_each_demo_has_options_of_its_own(tmp_path: Path) -> None:
    assert parsed("camera", "--fps", "15").fps == 15.0
    with pytest.raises(SystemExit):
        parsed("camera", "--folder", str(tmp_path))


def test_the_help_of_demo_names_every_demo_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in demos() if name not in shown] == []
