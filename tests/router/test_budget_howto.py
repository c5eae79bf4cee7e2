"""The page on budgets: its program runs and says what it says there, its table is one of budgets."""

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

from loom.router.budget import Limit
from loom.router.settings import read_settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "budgets.md").read_text()


def block(kind: str, number: int = 0) -> str:
    return str(re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[number])


def test_the_program_is_refused_as_the_page_says() -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "budgets.md", "exec"), names)
    budgets, told = asyncio.run(names["ask_carefully"]())
    assert told == [block("text").strip()]
    (line,) = budgets.report(names["NOON"])
    assert (line["used"], line["reserved"], line["left"]) == (0.0072, 0, 0.0128)


def test_the_tables_are_those_of_a_router() -> None:
    table = tomllib.loads(block("toml") + block("toml", 1))["router"]
    settings = read_settings(table, ".".join)
    assert settings.limits == (
        Limit("day", ("agent", "day"), money=1.0),
        Limit("home", ("day",), ("home.*",), tokens=200_000),
        Limit("talk", ("thread",), calls=40, seconds=600),
        Limit("all", money=50.0),
    )
    assert settings.cache == {"ttl": 3600, "entries": 1000, "semantic": True, "threshold": 0.95}
    assert settings.offset(1_767_225_600) == 3600
