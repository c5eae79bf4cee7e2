"""Budgets survive kill -9 at any moment: what is on disk is never less than what was truly spent."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from loom.router.budget import Budgets, Payer
from tests.router.budget_victim import NOW, TABLE, opened

ROOT = Path(__file__).parent.parent.parent


def live(kind: str, folder: Path, seed: int, sends: int) -> bool:
    """One life, killed after so many sends or left alone until the budget is spent; whether it came to its end."""
    command = [sys.executable, "-m", "tests.router.budget_victim", kind, str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            seen = 0
            for line in process.stdout:
                if line == "over\n":
                    return process.wait(60) == 0
                seen += line == "sent\n"
                if seen >= sends:
                    return False
            raise AssertionError(f"it ended by itself: {process.wait(60)}")
        finally:
            process.kill()  # SIGKILL: nothing is tidied up


def truly(folder: Path) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Thousandths of money by agent, tens of tokens and calls by thread, as the outside world saw them."""
    money, tokens, calls = Counter[str](), Counter[str](), Counter[str]()
    for line in (folder / "spent").read_text().splitlines():
        agent, thread, took = line.split()
        money[agent] += int(took)
        tokens[thread.partition("/")[0]] += int(took)
        calls[thread.partition("/")[0]] += took != "0"
    return money, tokens, calls


def recorded(kind: str, folder: Path) -> tuple[Budgets, dict[tuple[str, str], float]]:
    """The budgets as the next life finds them, and what they have counted."""

    async def read() -> Budgets:
        async with AsyncExitStack() as stack:
            return Budgets(TABLE, await opened(kind, folder, stack))

    budgets = asyncio.run(read())
    lines = budgets.report(NOW)
    return budgets, {(str(each["whose"]), str(each["kind"])): each["used"] for each in lines}


@pytest.mark.parametrize("kind", ["store", "file"])
def test_what_is_recorded_is_never_less_than_what_was_spent_and_no_limit_is_passed(
    kind: str, tmp_path: Path
) -> None:
    chance = random.Random(kind)
    unsettled = 0
    for seed in range(5):
        over = live(kind, tmp_path, seed, 1 if seed == 0 else chance.randrange(2, 120))
        assert not over
        budgets, counted = recorded(kind, tmp_path)
        money, tokens, calls = truly(tmp_path)
        for agent, spent in money.items():
            assert counted[f"agent {agent!r}", "money"] >= spent / 1000 - 1e-9
        for thread, spent in tokens.items():
            assert counted[f"thread {thread!r}", "tokens"] >= spent * 10
            assert counted[f"thread {thread!r}", "calls"] >= calls[thread]
        unsettled += len(budgets.unsettled())
    assert unsettled > 0  # some were killed between reserving and committing

    assert live(kind, tmp_path, 99, 10**9)
    money, tokens, calls = truly(tmp_path)
    assert max(money.values()) <= 2000
    assert max(tokens.values()) <= 900
    assert max(calls.values()) <= 500
    budgets, _ = recorded(kind, tmp_path)
    left = [budgets.remaining(Payer("a0", f"t{n}"), NOW) for n in range(3)]
    assert (
        min(each.tokens for each in left if each.tokens is not None) < 50
    )  # and nearly all of it could be spent
