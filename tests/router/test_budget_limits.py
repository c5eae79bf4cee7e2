"""Limits as they stand in a project file."""

import pytest

from loom.errors import ConfigError
from loom.router.budget import Limit, read_limits


def test_a_table_is_read() -> None:
    table = {
        "day": {"per": ["day", "agent"], "agents": "home.*", "money": 1.0, "calls": 20},
        "all": {"tokens": 1_000_000},
        "total": {"per": "total", "agents": ["a", "b"], "seconds": 0},
    }
    assert read_limits(table) == (
        Limit("day", ("agent", "day"), ("home.*",), 1.0, None, 20, None),
        Limit("all", (), ("*",), None, 1_000_000, None, None),
        Limit("total", (), ("a", "b"), None, None, None, 0),
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mony": 1}, "did you mean 'money'"),
        ({"x": 1}, "there are per, agents, money, tokens, calls, seconds"),
        ({"per": "agents", "calls": 1}, "did you mean 'agent'"),
        ({"per": ["day", "week"], "calls": 1}, "'week'"),
        ({"per": ["total", "day"], "calls": 1}, "goes with nothing else"),
        ({"per": [], "calls": 1}, "per must be one of"),
        ({"per": 3, "calls": 1}, "per must be one of"),
        ({"per": [["day"]], "calls": 1}, "day"),
        ({"per": "day"}, "limits nothing"),
        ({"money": -1}, "a number from 0"),
        ({"money": True}, "a number from 0"),
        ({"money": "1"}, "a number from 0"),
        ({"money": float("nan")}, "a number from 0"),
        ({"money": float("inf")}, "a number from 0"),
        ({"tokens": 10**400}, "a number from 0"),
        ({"calls": 1, "agents": []}, "agents must be a pattern"),
        ({"calls": 1, "agents": [""]}, "agents must be a pattern"),
        ({"calls": 1, "agents": 5}, "agents must be a pattern"),
        (5, "must be a table"),
        ("1.0", "must be a table"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(values: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read_limits({"mine": values})
    assert "router.budgets.mine" in str(error.value)


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_told_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be called"):
        read_limits({name: {"calls": 1}})


def test_budgets_are_tables_with_names() -> None:
    with pytest.raises(ConfigError, match="tables with names"):
        read_limits([{"calls": 1}])  # type: ignore[arg-type]
