"""`loom models`: every backend with its facts, what would install it, and what it costs here, measured and kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loom.cli import _models_cache as cache
from loom.cli._models_inputs import RATE, Sample, hum, sample
from loom.cli._models_measure import Cost, cost, each_once, measure
from loom.cli._models_packages import Presence, look
from loom.cli._models_table import Row, figure, table
from loom.cli.main import main
from loom.errors import ModelFailed
from loom.models import WorkerModel
from loom.models.catalog import BACKENDS, Backend
from loom.worker import Worker

THERE = Presence({"x": "1"}, (), 1_500_000, "")
GONE = Presence({}, ("nothing-like-it==1.0",), 0, "pip install nothing")
COST = {
    "date": "2026-11-22",
    "load": 1.25,
    "memory": 2_000_000,
    "packages": {"x": "1"},
    "tasks": {"speak": {"value": 0.0123, "unit": "x real time"}},
}


def backend(name: str = "voice", **fields: Any) -> Backend:
    rest: dict[str, Any] = {
        "spec": "tests.models.worker_side:factory",
        "tasks": {"speak": "echo"},
        "summary": "says what it is given",
        "licence": "MIT",
    }
    return Backend(name, **{**rest, **fields})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


# --- the table -----


def test_a_row_says_what_it_is_and_what_it_costs() -> None:
    lines = table([Row(backend(), THERE, COST)], 80)
    assert lines[2] == "voice         speak                            local     1.5 MB  MIT"
    told = " ".join(" ".join(lines[3:]).split())
    assert told == (
        "says what it is given loads in 1.2 s, 2.0 MB of memory, speak 0.012 x real time (measured 2026-11-22)"
    )


def test_what_is_missing_is_one_line_to_copy_at_any_width() -> None:
    for width in (40, 80):
        lines = table([Row(backend(), GONE, COST)], width)
        assert lines[-2:] == ["  not installed", "  pip install nothing"]


def test_what_failed_or_was_measured_with_other_versions_is_said() -> None:
    text = "\n".join(table([Row(backend(), THERE, {**COST, "error": "no file"})], 120))
    assert "it did not work on 2026-11-22: no file" in text
    text = " ".join("\n".join(table([Row(backend(), THERE, {**COST, "packages": {"x": "2"}})], 120)).split())
    assert "with other versions of its packages" in text
    assert "loom models --measure voice" in "\n".join(table([Row(backend(), THERE, None)], 80))


@given(st.integers(40, 120), st.sampled_from([COST, None]), st.sampled_from([THERE, GONE]))
def test_no_line_is_wider_than_the_terminal(width: int, known: Any, there: Presence) -> None:
    for line in table([Row(each, there, known) for each in BACKENDS.values()], width):
        assert len(line) <= width or line.startswith("  pip")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0123, "x real time", "0.012 x real time"), (5.71, "ms", "5.71 ms"), (1234.5, "ms", "1,234 ms")],
)
def test_figures_have_the_digits_they_deserve(value: float, unit: str, text: str) -> None:
    assert figure({"value": value, "unit": unit}) == text


# --- packages -----


def test_packages_are_looked_up_without_being_imported() -> None:
    there = look(backend(packages=("protobuf>=6", "no-such-package-here==1.0"), extra="voice"))
    assert list(there.versions) == ["protobuf"]
    assert there.nbytes > 100_000
    assert there.missing == ("no-such-package-here==1.0",)
    assert "'.[voice]'" in there.install
    assert "no-deps" not in there.install


def test_packages_of_which_only_files_are_used_are_installed_bare() -> None:
    only = look(backend(packages=("protobuf", "weights-here==1"), bare=("weights-here==1",)))
    assert only.install.endswith("-m pip install --no-deps weights-here==1")
    assert "'.[" not in only.install
    both = look(backend(packages=("gone-package==2", "weights-here==1"), bare=("weights-here==1",)))
    assert " && " in both.install
    assert look(backend(packages=("protobuf",))).install == ""


# --- measuring -----


def test_costs_are_of_sound_of_tokens_or_of_items() -> None:
    assert cost("speak", Sample("x"), {"seconds": 4.0}, 1.0) == Cost(0.25, "x real time")
    assert cost("chat", Sample("x"), {"tokens_out": 20}, 0.5) == Cost(40.0, "tokens/s")
    assert cost("vad", Sample(b"", {}, 2.0), {}, 0.5) == Cost(0.25, "x real time")
    assert cost("embed", Sample("x"), {}, 0.005) == Cost(5.0, "ms")


def test_every_task_of_the_catalog_has_an_input() -> None:
    for each in (row for row in BACKENDS.values() if not row.needs):
        assert [task for task in each_once(each) if sample(task) is None] == []
    assert sample("paint") is None
    spoken = sample("transcribe", bytes(RATE * 2))
    assert spoken is not None
    assert spoken.seconds == 1.0


def test_the_hum_is_sound_of_the_length_it_says() -> None:
    pcm = hum(0.5)
    assert len(pcm) == RATE
    assert max(memoryview(pcm).cast("h")) > 3000


async def test_a_model_is_loaded_timed_and_closed() -> None:
    told: list[str] = []
    row = backend(tasks={"speak": "echo", "embed": "pid", "also": "pid", "classify": "fail", "odd": "fail"})
    worker = Worker("w", row.spec)
    costs = await measure(row, WorkerModel("w", worker, row.tasks), told.append, [])
    assert told == ["loading", "speak", "embed", "classify"]
    assert costs.load > 0
    assert costs.memory > 1_000_000
    assert costs.tasks["embed"].unit == "ms"
    assert "ZeroDivisionError" in costs.errors["classify"]
    assert worker.statistics()["pid"] == 0


async def test_a_model_that_cannot_load_raises_and_is_closed() -> None:
    row = backend(spec="tests.models.worker_side:broken")
    worker = Worker("w", row.spec)
    with pytest.raises(ModelFailed, match="is no model"):
        await measure(row, WorkerModel("w", worker, row.tasks), lambda _: None, [])
    assert worker.statistics()["pid"] == 0


# --- what is kept -----


def test_costs_come_back_on_this_machine_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "models.json"
    cache.write(path, "this one", {"voice": COST})
    assert cache.read(path, "this one") == {"voice": COST}
    assert cache.read(path, "another") == {}
    assert [each.name for each in path.parent.iterdir()] == ["models.json"]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        ["format", "machine", "models", "voice", "tasks", "load", "memory", "date"]
                    ),
                    inner,
                )
            ),
        ).map(lambda value: json.dumps({"format": 1, "machine": "m", "models": {"a": value}}).encode()),
    )
)
@example(b'{"format":1,"machine":"m","models":{"a":{"load":1,"memory":1,"date":"","tasks":{"x":null}}}}')
@example(
    b'{"format":1,"machine":"m","models":{"a":{"load":1,"memory":1,"date":"","tasks":{"x":{"value":1}}}}}'
)
@example(b'{"format":1,"machine":"m","models":{"a":{"load":NaN,"memory":1,"date":"","tasks":{}}}}')
def test_a_file_without_sense_is_as_good_as_none(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.json"
    path.write_bytes(data)
    for row in cache.read(path, "m").values():
        assert table([Row(backend(), THERE, row)], 80)


def test_the_folder_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.folder() == tmp_path / "loom"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder().is_absolute()


# --- the command -----


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of a model that works and one that is not installed."""
    rows = {
        "voice": backend(packages=("protobuf",), tasks={"embed": "pid"}, memory_limit=0),
        "absent": backend("absent", packages=("no-such-package-here==1.0",)),
        "broken": backend("broken", packages=("protobuf",), spec="tests.models.worker_side:broken"),
    }
    for module in ("loom.cli.models", "loom.adapters.local_model"):
        monkeypatch.setattr(f"{module}.BACKENDS", rows)


@pytest.mark.usefixtures("two")
def test_measured_costs_are_shown_the_next_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "voice"]) == 0
    assert "not measured yet" in capsys.readouterr().out
    assert main(["models", "--measure", "voice"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("voice: loaded in ")
    assert main(["models", "voice", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    assert row["cost"]["tasks"]["embed"]["unit"] == "ms"
    assert row["cost"]["memory"] > 1_000_000
    assert stat.S_ISREG((tmp_path / "loom" / "models.json").stat().st_mode)


@pytest.mark.usefixtures("two")
def test_what_is_not_installed_is_passed_over_unless_it_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--measure", "absent"]) == 1
    assert "absent is not installed; run: " in capsys.readouterr().err
    assert main(["models"]) == 0
    assert "not installed" in capsys.readouterr().out


@pytest.mark.usefixtures("two")
def test_a_model_that_does_not_load_is_said_and_the_others_are_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "--measure"]) == 1
    said = capsys.readouterr()
    assert "broken: failed: /models/x.bin is no model; give another file" in said.err
    assert "voice: loaded in " in said.err
    assert "it did not work on" in said.out


@pytest.mark.usefixtures("two")
def test_a_backend_for_models_of_ones_own_is_shown_and_not_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = backend("any", packages=("protobuf",), settings={"file": str}, needs=("file",))
    monkeypatch.setattr("loom.cli.models.BACKENDS", {"any": row})
    assert main(["models", "--measure"]) == 0
    said = capsys.readouterr()
    assert said.err == "any: runs a model of yours (file); nothing to measure without\n"
    assert "installed; runs a model of yours, which it needs to be told: file" in said.out


def test_ears_that_are_measured_alone_hear_the_installed_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    from loom.cli.models import _spoken

    for name in BACKENDS:
        if "speak" in BACKENDS[name].tasks and look(BACKENDS[name]).installed:
            (speech,) = _spoken()
            assert len(speech) > RATE * 2, "more than a second"
    monkeypatch.setattr("loom.cli.models.BACKENDS", {"voice": backend(packages=("protobuf",))})
    monkeypatch.setattr("loom.adapters.local_model.BACKENDS", {"voice": backend(packages=("protobuf",))})
    assert _spoken() == [], "a voice that says nothing of use: a hum has to do"


def test_an_unknown_name_is_a_usage_error_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "wisper", "face"]) == 2
    assert "no model 'wisper' in the catalog; did you mean" in capsys.readouterr().err


def test_a_real_model_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--measure", "faces"]) == 0
    assert "detect" in capsys.readouterr().err
