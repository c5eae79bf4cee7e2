"""The how-to page about routing: its program runs and prints what the page says, its settings make a router."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from loom.router.settings import read_settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "routing.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_program_prints_what_the_page_says() -> None:
    program = next(each for each in blocks("python") if "asyncio.run" in each)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == blocks("text")[0]


def test_the_settings_make_a_policy() -> None:
    table = tomllib.loads(blocks("toml")[0])
    policy = read_settings(table["router"], lambda path: "page", list(table["models"])).policy
    assert (policy.threshold, policy.band, policy.hybrid) == (0.7, 0.2, "cascade")
