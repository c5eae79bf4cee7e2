"""`loom gateway`: keys are shown once, models are served, and what cannot be is one line."""

import json
import os
import re
import signal
import socket
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import loom, private, running

MODELS = """
from loom.testing import FakeBackend

def talker(name):
    return FakeBackend("chat", lambda request: {"text": "Hello you"}, name=name)
"""
TOML = """
[models.small]
use = "talk:talker"
[gateway]
port = 0
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "talk.py").write_text(MODELS)
    (folder / "loom.toml").write_text(TOML)
    return folder


def ask(url: str, key: str = "") -> Any:
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/chat/completions", body, headers), timeout=30
    ) as got:
        return json.load(got)


def test_models_are_served_until_it_is_told_to_stop(home: Path) -> None:
    env = private(home)
    with running("gateway", str(home), env=env, cwd=home) as command:
        url = re.search(r"http://127\.0\.0\.1:\d+/v1", command.until("Ctrl-C"))
        assert url is not None
        assert "serves small; no key needed" in command.text
        assert ask(url[0])["choices"][0]["message"]["content"] == "Hello you"
        command.signal(signal.SIGINT)
        assert command.end() == 0


def test_a_key_is_shown_once_and_needed_from_then_on(home: Path) -> None:
    env = private(home)
    made = loom("gateway", "key", "desk", "--label", "private", "--models", "auto,small", env=env, cwd=home)
    key = made.stdout.strip()
    assert (made.returncode, len(key) >= 48, key in made.stderr) == (0, True, False)
    file = home / "gateway-keys.json"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert key not in file.read_text()
    listed = loom("gateway", "keys", env=env, cwd=home).stdout
    assert "desk" in listed
    assert "private" in listed
    assert key not in listed
    with running("gateway", env=env, cwd=home) as command:
        url = re.search(r"http://\S+/v1", command.until("Ctrl-C"))
        assert url is not None
        assert "a key is needed" in command.text
        assert ask(url[0], key)["choices"]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(url[0])
        assert loom("gateway", "revoke", "desk", env=env, cwd=home).returncode == 0
        command.signal(signal.SIGTERM)
        assert command.end() == 0
        assert key not in command.text
    assert "no keys" in loom("gateway", "keys", env=env, cwd=home).stdout


def test_run_serves_the_table_of_the_project_and_a_port_that_is_taken_is_one_line(home: Path) -> None:
    env = private(home)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "loom.toml").write_text(TOML.replace("port = 0", f"port = {port}"))
        for words in (["run", str(home)], ["gateway", str(home)]):
            done = loom(*words, env=env, cwd=home)
            assert done.returncode == 2
            assert f"port {port} is taken by another program" in done.stderr
            assert "Traceback" not in done.stderr
    with running("run", str(home), env=env, cwd=home) as command:
        command.until("Ctrl-C")
        assert ask(f"http://127.0.0.1:{port}/v1")["choices"]
        command.signal(signal.SIGINT)
        assert command.end() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "loom gateway key NAME"), (["--host", "example.com"], "host is an address"),
        (["nowhere"], "no file"), (["a", "b"], "one project"), (["key"], "give one name"),
        (["key", "a b"], "a key's name"), (["key", "a", "--label", "secret"], "clearance is one of"),
        (["key", "a", "--budget", "much"], "an amount for a time"), (["key", "a", "--kinds", "all"], "no kind 'all'"),
        (["key", "a", "--models", "auto, smal"], "did you mean 'small'?"),
        (["key", "a", "--models", "x*"], "there are auto, cloud, local, profile:balanced"),
        (["revoke", "nobody"], "there is no key 'nobody'"), (["--port", "99999"], "port is a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(home: Path, words: list[str], said: str) -> None:
    done = loom("gateway", *words, env=private(home), cwd=home)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "gateway-keys.json").exists()


def test_names_of_models_may_have_blanks_between_them_and_patterns(home: Path) -> None:
    env = private(home)
    models = "auto, s*, profile:best"
    assert loom("gateway", "key", "desk", "--models", models, env=env, cwd=home).returncode == 0
    kept = json.loads((home / "gateway-keys.json").read_text())["keys"]["desk"]
    assert kept["models"] == ["auto", "s*", "profile:best"]


def test_where_no_project_is_any_model_may_be_named(tmp_path: Path) -> None:
    done = loom("gateway", "key", "desk", "--models", "mine", env=private(tmp_path), cwd=tmp_path)
    assert done.returncode == 0
