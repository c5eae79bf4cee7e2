"""`loom models import`: the decisions, what is unknown, the lines for loom.toml."""

import json
import tomllib
from pathlib import Path

import pytest

from loom.cli import main

HELPDESK = Path(__file__).parent.parent / "router" / "vllm_import" / "helpdesk.yaml"


def test_it_prints_the_decisions_and_lines_that_are_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "import", str(HELPDESK)]) == 0
    out = capsys.readouterr().out
    assert "5 decisions, looked at in this order" in out
    assert "user_feedback:wrong_answer: it needs" in out
    lines = tomllib.loads(out[out.index("# in loom.toml") :])["router"]["import"]
    assert lines["file"] == str(HELPDESK)
    assert lines["backends"] == {
        "tools": ["large"], "complaint": ["large"], "hard": ["local"], "cross": ["local"], "rest": ["small"],
    }  # fmt: skip


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "import", str(HELPDESK), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["decisions"]][:2] == ["tools", "complaint"]
    assert set(found["left_out"]) == {"keyword:ranked", "user_feedback:wrong_answer"}


def test_what_a_stranger_wrote_moves_no_cursor_and_hides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        'routing: {decisions: [{name: "a\\e[2J", description: "\\e]0;x\\x07\\uD800", '
        "rules: {type: telepathy, name: t}}]}"
    )
    assert main(["models", "import", str(file)]) == 0
    out = capsys.readouterr().out
    assert all(each.isprintable() for each in out.splitlines())
    assert "telepathy:t" in out
    assert tomllib.loads(out[out.index("# in loom.toml") :])["router"]["import"]["backends"] == {
        "a\x1b[2J": ["local"]
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "takes one FILE"),
        (["nowhere.yaml"], "cannot read nowhere.yaml"),
        ([str(HELPDESK), "--recipe", "defalt"], "did you mean 'default'"),
        ([str(Path(__file__))], "no YAML|holds no table|nothing to import"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "import", *arguments]) != 0
    err = capsys.readouterr().err
    assert any(each in err for each in why.split("|")), err
    assert "Traceback" not in err
