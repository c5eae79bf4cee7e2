"""Models from the catalog: by name in code or in a project file, checked before anything starts."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import loom
from loom.adapters.local_model import IDLE, factory
from loom.errors import ConfigError, MissingExtra, ModelFailed, NoBackend
from loom.models import Model, WorkerModel
from loom.models.catalog import BACKENDS, Backend
from loom.runtime._builtins import BUILTINS
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from tests.worker.worlds import LONG

ROW = Backend(
    "echo",
    "tests.models.worker_side:factory",
    {"echo": "echo", "config": "config"},
    {"count": "count"},
    packages=("protobuf", "weights-that-are-not-there==1"),
    bare=("weights-that-are-not-there==1",),
    memory_limit=0,
    settings={"threads": int, "path": str},
)


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "echo", ROW)


async def test_a_name_makes_a_model_in_a_worker_of_its_own() -> None:
    model = loom.local_model("echo", "mine", threads=2)
    assert isinstance(model, Model)
    assert isinstance(model, WorkerModel)
    assert (model.name, model.tasks, model.streams) == ("mine", {"echo", "config"}, {"count"})
    async with loom.Loom(watchdog=None).add_model(model) as runtime:
        assert await runtime.ask("config", timeout=LONG) == {"threads": 2}
        assert [item["number"] async for item in runtime.stream("count", 2, timeout=LONG)] == [0, 1]


async def test_it_sleeps_when_idle_unless_told_otherwise() -> None:
    for given, expected in (
        ({}, IDLE),
        ({"idle": None}, None),
        ({"idle": float("inf")}, None),
        ({"idle": 5.0}, 5.0),
    ):
        model = loom.local_model("echo", **given)  # type: ignore[arg-type]
        assert model._worker.limits.idle == expected  # type: ignore[attr-defined]
        await model.close()
    for idle in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="idle is more than 0 seconds"):
            loom.local_model("echo", idle=idle)


def test_names_and_settings_that_do_not_exist_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no model 'ecco' in the catalog; did you mean 'echo'"):
        loom.local_model("ecco")
    with pytest.raises(ConfigError, match="model 'echo' has no setting 'thread'; did you mean 'threads'"):
        loom.local_model("echo", thread=2)
    with pytest.raises(ConfigError, match="has no setting 'xyz'; it has threads, path"):
        loom.local_model("echo", xyz=2)


def test_what_a_backend_needs_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row = Backend("any", ROW.spec, ROW.tasks, settings={"file": str}, needs=("file",))
    monkeypatch.setitem(BACKENDS, "any", row)
    monkeypatch.setitem(BUILTINS["models"], "any", "catalog:any")
    with pytest.raises(ConfigError, match=r"model 'any' needs file = \.\.\."):
        loom.local_model("any")
    with pytest.raises(ConfigError, match=r"loom\.toml:1.*'any' needs file"):
        _built(tmp_path, '[models.x]\nuse = "any"\n')
    (model,) = _built(tmp_path, '[models.x]\nuse = "any"\nfile = "net.bin"\n').models
    assert json.loads(model._worker._plan.config) == {"file": str(tmp_path / "net.bin")}


def test_a_package_that_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Backend("gone", ROW.spec, ROW.tasks, extra="voice", packages=("no-such-package-here==1",))
    monkeypatch.setitem(BACKENDS, "gone", row)
    with pytest.raises(MissingExtra, match=r"'no-such-package-here' is not installed; run: .*\[voice\]'"):
        factory("gone")(name="x")


def test_a_project_file_checks_the_settings_of_a_backend() -> None:
    made = factory("echo")
    names = ["name", "home", "arenas", "memory_limit", "idle", "threads", "path"]
    assert list(inspect.signature(made).parameters) == names
    model = made(name="x", arenas=(), threads=3)
    assert model.name == "x"


def test_files_are_looked_for_from_the_folder_of_the_project(tmp_path: Path) -> None:
    for given, meant in (
        ("a.bin", tmp_path / "a.bin"),
        ("/b.bin", Path("/b.bin")),
        ("~/c", Path.home() / "c"),
    ):
        model = factory("echo")(name="x", home=tmp_path, path=given, threads=1)
        config = json.loads(model._worker._plan.config)  # type: ignore[attr-defined]
        assert config == {"path": str(meant), "threads": 1}


def _built(folder: Path, text: str) -> Any:
    (folder / "loom.toml").write_text(text)
    return build(read_project(folder / "loom.toml"))


def test_the_faces_of_the_catalog_in_a_project_file(tmp_path: Path) -> None:
    runtime = _built(
        tmp_path, '[models.eyes]\nuse = "faces"\nthreshold = 0.7\nidle = 60\nmemory_limit = 400000000\n'
    )
    (model,) = runtime.models
    assert (model.name, model._worker.limits.idle) == ("eyes", 60)
    with pytest.raises(
        ConfigError, match=r"loom.toml:3.*no key 'treshold' for 'faces'; did you mean 'threshold'"
    ):
        _built(tmp_path, '[models.eyes]\nuse = "faces"\ntreshold = 0.7\n')
    with pytest.raises(
        ConfigError, match=r"loom.toml:3.*models.eyes.threads must be a whole number, not 'two'"
    ):
        _built(tmp_path, '[models.eyes]\nuse = "faces"\nthreads = "two"\n')


async def test_asking_for_what_nobody_added_names_who_would_do_it() -> None:
    async with loom.Loom(watchdog=None) as runtime:
        with pytest.raises(
            NoBackend, match=r"none is added; faces does 'detect': .*local_model\('faces'\).*pip install"
        ):
            await runtime.ask("detect")
        runtime.add_model(loom.local_model("echo"))
        with pytest.raises(NoBackend, match=r"added: config, echo\); faces does 'detect'"):
            await runtime.ask("detect")


async def test_a_model_that_cannot_load_is_one_typed_error_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "bad", Backend("bad", "tests.models.worker_side:broken", {"x": "x"}))
    async with loom.Loom(watchdog=None).add_model(loom.local_model("bad")) as runtime:
        for _ in range(2):
            with pytest.raises(ModelFailed, match=r"/models/x\.bin is no model; give another file"):
                await runtime.ask("x", timeout=LONG)
