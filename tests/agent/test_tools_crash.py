"""Tools over a kill -9: what was done is not done again, and the model goes on from there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.agent.tool_life import __name__ as life

ROOT = Path(__file__).parent.parent.parent


def killed(folder: Path, where: str) -> None:
    """One life, killed where it says that it is there."""
    with subprocess.Popen(
        [sys.executable, "-m", life, str(folder), where], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "READY\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL


def lived(folder: Path) -> tuple[str, list[dict[str, object]]]:
    """A life to its end, and the answer."""
    subprocess.run([sys.executable, "-m", life, str(folder), ""], cwd=ROOT, check=True, timeout=60)
    text, steps = json.loads((folder / "answer").read_text())
    return text, steps


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines()


def test_killed_between_the_effect_and_the_next_request_nothing_is_done_twice(tmp_path: Path) -> None:
    killed(tmp_path, "model")
    assert lines(tmp_path, "done") == ["ada"]
    text, steps = lived(tmp_path)
    assert text == "I have written to Ada."
    assert [each["outcome"] for each in steps] == ["done"]
    assert lines(tmp_path, "done") == ["ada"], "the mail was sent once"
    assert lines(tmp_path, "asked") == ["write to ada", "sent to ada", "sent to ada"], (
        "and went on from there"
    )


def test_killed_inside_the_tool_nobody_knows_so_it_is_not_done_unasked_and_the_model_hears_that(
    tmp_path: Path,
) -> None:
    killed(tmp_path, "tool")
    text, steps = lived(tmp_path)
    assert text == "I have written to Ada.", "the script's; a model would read the line below"
    assert lines(tmp_path, "done") == ["ada"]
    assert lines(tmp_path, "asked")[0] == "write to ada"
    assert "outcome unknown: it may have run before" in lines(tmp_path, "asked")[-1]
    assert str(steps[0]["outcome"]).startswith("failed: ")
