"""The page on budgets: its program runs and says what it says there, its table is one of budgets."""

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

from loom.router.budget import Limit, read_limits

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "budgets.md").read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_program_is_refused_as_the_page_says() -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "budgets.md", "exec"), names)
    budgets, told = asyncio.run(names["ask_carefully"]())
    assert told == [block("text").strip()]
    (line,) = budgets.report(names["NOON"])
    assert (line["used"], line["reserved"], line["left"]) == (0.0072, 0, 0.0128)


def test_the_table_is_one_of_budgets() -> None:
    limits = read_limits(tomllib.loads(block("toml"))["router"]["budgets"])
    assert limits == (
        Limit("day", ("agent", "day"), money=1.0),
        Limit("home", ("day",), ("home.*",), tokens=200_000),
        Limit("talk", ("thread",), calls=40, seconds=600),
        Limit("all", money=50.0),
    )
