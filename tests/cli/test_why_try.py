"""`loom why --try` as people run it: the decision on a request as a table, with nothing sent."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from loom import Agent, Context, Event, Label, on
from loom.errors import RouteRefused
from loom.models import ModelReply, ModelRequest
from loom.router.budget import Budgets, Payer, Spend, read_limits
from loom.runtime._router_store import StoredKeep
from loom.testing import new_loom, run
from tests.cli.command import loom

PROJECT = """\
[loom]
name = "p"
{more}
[models.small]
use = "minds:Mind"
quality = 0.6
context = 4000

[models.far]
use = "minds:Far"
clearance = "sensitive"
price = {{ in = 1, out = 2 }}
quality = 0.9

[router]
threshold = 0.7
{router}
"""
MINDS = """\
from pathlib import Path
class Mind:
    location, tasks, streams = "local", frozenset({"chat"}), frozenset({"chat"})
    def __init__(self, name): self.name = name
    async def infer(self, request): Path("asked").write_text("asked"); raise RuntimeError
    async def stream(self, request): yield Path("asked").write_text("asked")
    async def close(self): pass
    def statistics(self): return {}
class Far(Mind):
    location = "cloud"
"""


class Here:
    name, location, tasks = "here", "local", frozenset({"chat"})

    async def infer(self, request: ModelRequest) -> ModelReply:
        return ModelReply({"text": "hi"}, "here", 0.0, 1.0)

    async def close(self) -> None: ...

    def statistics(self) -> dict[str, object]:
        return {}


class Asker(Agent):
    @on("ask")
    async def ask(self, event: Event, ctx: Context) -> None:
        with contextlib.suppress(RouteRefused):
            await ctx.ask("chat", "hello", **(event.payload if isinstance(event.payload, dict) else {}))


def project(folder: Path, router: str = "", more: str = "") -> Path:
    (folder / "minds.py").write_text(MINDS)
    (folder / "loom.toml").write_text(PROJECT.format(router=router, more=more))
    return folder


def tried(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "100"}
    with open(folder / "said", "a+") as said:
        said.seek(0)
        done = loom("why", "--project", str(folder), *arguments, env=env, stdin=said, cwd=folder)
    assert not list(folder.glob("asked"))
    return done


def table(folder: Path, *arguments: str) -> str:
    done = tried(folder, *arguments)
    assert done.returncode in (0, 1), done.stderr
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    return done.stdout


def test_each_candidate_has_its_estimates_and_why_it_is_taken_or_refused(tmp_path: Path) -> None:
    text = table(project(tmp_path), "--try", "What is this?", "--label", "private", "--budget", "0.01")
    assert "chat, private: answered here" in text
    assert "1 small    local     0.60           ?      free" in text
    assert "- far      cloud     0.90           ?" in text
    assert "privacy.clearance: private data, and it is cleared for sensitive data" in text


def test_what_leaves_is_marked_as_redacted_and_a_budget_refuses(tmp_path: Path) -> None:
    folder = project(tmp_path)
    assert "redacted" in table(folder, "--try", "hello", "--label", "sensitive")
    poor = tried(folder, "--try", "hello", "--budget", "0.000001", "--route", "cloud")
    assert poor.returncode == 1
    assert "cost.cap: about" in poor.stdout


def test_the_profile_the_route_and_the_size_of_a_request_count(tmp_path: Path) -> None:
    folder = project(tmp_path)
    assert "privacy.policy: profile 'private' lets nothing leave" in table(
        folder, "--try", "x", "--profile", "private"
    )
    assert "route: the request asks for 'far'" in table(folder, "--try", "x", "--route", "far")
    (folder / "said").write_text("word " * 10_000)
    assert "context: about" in table(folder, "--try", "-")


def test_machines_get_the_decision_as_json(tmp_path: Path) -> None:
    told = json.loads(tried(project(tmp_path), "--try", "x", "--json").stdout)
    assert told["route"] == "hybrid"
    assert {each["backend"]: each["taken"] for each in told["verdicts"]} == {"small": True, "far": True}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--try", "x", "--label", "secret"), "no label 'secret'"),
        (("--try", "x", "--profile", "cheep"), "did you mean 'cheap'"),
        (("--try", "x", "--quality", "7"), "min_quality=7.0"),
        (("--try", "x", "some-id"), "takes an ID, or a request"),
        ((), "takes an ID, or a request"),
    ],
)
def test_what_cannot_be_tried_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = tried(project(tmp_path), *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_spent_before_counts_and_the_store_is_only_looked_at(tmp_path: Path) -> None:
    folder = project(tmp_path, "[router.budgets.all]\nmoney = 1.0", 'data = "data"')
    limits = read_limits({"all": {"money": 1.0}})

    async def spend() -> None:
        async with new_loom(data=folder / "data") as runtime:
            assert runtime._durable is not None
            budgets = Budgets(limits, StoredKeep(runtime._durable))
            held = await budgets.reserve(Payer("a"), Spend(0.9999), 0)
            await held.commit(Spend(0.9999))

    assert "cost.budget" not in table(folder, "--try", "x", "--route", "cloud")
    run(spend())
    assert "cost.budget: about" in table(folder, "--try", "x", "--route", "cloud")


def test_a_past_decision_is_explained_and_the_event_behind_it(tmp_path: Path) -> None:
    ids = []

    async def decide() -> None:
        async with new_loom(Asker, data=tmp_path) as runtime:
            runtime.add_model(Here())
            await runtime.publish("ask", "hello", id="asked")
            await runtime.idle()
            await runtime.publish("ask", {"route": "cloud"}, id="refused", label=Label.parse("private"))
            await runtime.idle()
            ids.extend(each.id for each in runtime.router.decisions)

    run(decide())
    env = {**os.environ, "COLUMNS": "90"}
    told = loom("why", ids[0], "--data", str(tmp_path), env=env).stdout
    assert "1 here     local" in told
    assert "chat, public: answered here" in told
    assert "the router decided: local, here" in told
    assert "chat, private: refused" in loom("why", ids[1], "--data", str(tmp_path), env=env).stdout
    assert "ask" in told
    behind = loom("why", "asked", "--data", str(tmp_path), env=env).stdout
    assert f"(decision {ids[0]})" in " ".join(behind.replace("│", "").split())
    behind = loom("why", "refused", "--data", str(tmp_path), env=env).stdout
    assert "chat was refused: no backend elsewhere can do 'chat'" in " ".join(behind.replace("│", "").split())
    gone = loom("why", "000000000000-0000000000000000-0000000000", "--data", str(tmp_path), env=env)
    assert gone.returncode == 1
    assert "no longer kept" in gone.stdout
