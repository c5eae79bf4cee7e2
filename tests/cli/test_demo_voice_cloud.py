"""`loom demo voice --cloud URL`: a real server on loopback is asked when the local model is not sure, and not else."""

import json

import pytest

from loom.cli import main
from tests.cloud import KEY, running_cloud

SKY = "Hey Jarvis, why is the sky blue?"
CAT = "Hey Jarvis, is it a problem that my password is the name of my cat?"


@pytest.mark.timeout(300)
def test_the_demo_runs_hybrid_and_shows_each_decision(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_cloud() as cloud:
        monkeypatch.setenv(KEY, cloud.key)
        said = [word for line in (SKY, CAT) for word in ("--say", line)]
        code = main(
            ["demo", "voice", "--fast", "--json", "--cloud", cloud.url, "--cloud-key", f"env:{KEY}", *said]
        )
    summary = json.loads(capsys.readouterr().out)
    assert code == 0, summary["checks"]
    sky, cat = (turn["decisions"] for turn in summary["turns"])
    assert [each["route"] for each in sky] == ["hybrid"]
    assert sky[0]["order"] == ["llama", "cloud"]
    assert [each["redact"] for each in sky[0]["verdicts"]] == [False, True]
    assert sky[0]["outcome"]["backend"] == "cloud"
    assert sky[0]["outcome"]["cost"] > 0
    assert [(each["route"], each["order"], each["rule"]) for each in cat] == [
        ("local", ["llama"], "rule:private words")
    ]
    assert cat[0]["outcome"]["backend"] == "llama"


def test_a_key_without_a_cloud_and_a_key_that_is_not_there_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    assert main(["demo", "voice", "--cloud-key", "env:NOT_THERE"]) == 2
    assert "go with --cloud URL" in capsys.readouterr().err
    assert main(["demo", "voice", "--cloud", "http://127.0.0.1:1/v1", "--cloud-key", "env:NOT_THERE"]) == 2
    assert "NOT_THERE" in capsys.readouterr().err
