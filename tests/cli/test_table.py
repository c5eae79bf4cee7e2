"""What `loom top` draws, and where it finds what runs."""

from pathlib import Path
from typing import Any

import pytest

from loom.cli._output import count, field, megabytes, milliseconds
from loom.cli._table import Growth, table
from loom.cli.top import choose
from loom.errors import ConfigError, LoomError

QUEUE = {
    "name": "greeter.a_handler_with_a_long_name", "capacity": 1024, "queued": 12, "delivered": 1_234_567, "merged": 0,
    "expired": 2, "cancelled": 0, "refused": 0, "dropped_by": {"drop_oldest": 10_000, "shed": 3},
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "name": "kitchen", "state": "running", "seconds": 3723.0, "pid": 4711, "steps": 7446, "memory": 37_400_000,
    "actions": {"done": 5, "failed": 0}, "dead_letters": 1, "unrouted": 0, "queues": [QUEUE], "sources": {"door": 9},
    "agents": {"greeter": {"status": "parked", "committed": 7, "failed": 1}},
    "models": {"faces": {"answered": 3, "deaths": 1}},
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 80])
def test_everything_is_shown_and_fits(width: int) -> None:
    shown = table(DOCUMENT, width, Growth())
    assert max(map(len, shown)) <= width
    text = " ".join(" ".join(shown).split())
    for words in (
        "loom kitchen · running · 1 h 2 min", "7,446, 2/s", "5 done", "1 letters", "37 MB", "parked", "12/1,024",
        "1,234,567", "10,000 drop_oldest, 3 shed, 2 expired", "door 9", "faces 3 answers, died 1 times",
    ):  # fmt: skip
        assert words in text


def test_growth_is_per_second_over_the_last_documents() -> None:
    growth = Growth(readings=2)
    assert growth(10.0, 100) == 10
    assert growth(12.0, 200) == 50
    assert growth(14.0, 220) == pytest.approx(30)
    assert growth(16.0, 220) == pytest.approx(5)


THERE = {"kitchen-12": Path("a"), "kitchen-34": Path("b"), "cellar-56": Path("c")}


@pytest.mark.parametrize(("name", "path"), [("cellar", "c"), ("34", "b"), ("kitchen-12", "a")])
def test_a_runtime_is_found_by_name_or_process(name: str, path: str) -> None:
    assert choose(THERE, name) == Path(path)


def test_the_only_runtime_needs_no_name() -> None:
    assert choose({"kitchen-12": Path("a")}, None) == Path("a")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "several run; say which"),
        ("kitchen", "several are called 'kitchen'"),
        ("attic", "none is called 'attic'"),
    ],
)
def test_who_cannot_be_told_is_asked_for(name: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choose(THERE, name)


def test_nothing_that_runs_is_no_mistake_of_the_command_line() -> None:
    with pytest.raises(LoomError, match="nothing runs"):
        choose({}, "kitchen")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00042, "0.42"), (0.0042, "4.2"), (0.0424, "42.4"), (0.42, "420"), (4.2, "4200")]
)
def test_durations_have_as_many_digits_as_they_deserve(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


def test_counts_and_sizes_read_well() -> None:
    assert (count(1234567.8), megabytes(37_400_000)) == ("1,234,568", "37 MB")


def test_long_words_are_broken_rather_than_hanging_over() -> None:
    assert max(map(len, field("label", "x" * 200, 40))) == 40
