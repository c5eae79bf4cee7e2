"""The how-to page about tools is code that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from loom.router.tools import _loop, _outputs, _tools, _wish
from loom.testing import Probe, new_loom, virtual_time
from tests.agent.lights import Script, calls, says, use

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "tools.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def _names(*blocks: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(blocks), "tools.md", "exec", dont_inherit=True), names)
    return names


def _first() -> str:
    return str(BLOCKS[0].partition("\n\nasync def main")[0])


@virtual_time
async def test_the_butler_of_the_page_switches_the_light() -> None:
    names = _names(_first(), BLOCKS[2])
    model = Script(
        calls(use("light.set", room="kitchen", on=True)), lambda request: says(request.input[-1]["content"])
    )
    loom = new_loom(names["set_light"], names["Watcher"]).add_model(model)
    loom.add(names["Butler"], grants=["light.set"])
    async with loom:
        await loom.publish("user.asked", "make the kitchen bright")
        await loom.idle()
        butler: Any = loom.agent("Butler").instance
        watcher: Any = loom.agent("Watcher").instance
    assert (butler.said, watcher.cut) == ("the light in the kitchen is on", 0)


@virtual_time
async def test_the_secretary_of_the_page_gets_tasks() -> None:
    names = _names(_first(), BLOCKS[1])
    wrong = '[{"title": "pay", "urgency": "soon"}]'
    model = Script(says(wrong), says(wrong.replace("soon", "high")))
    async with new_loom(names["Secretary"]).add_model(model) as loom:
        probe = Probe(loom.bus, "task.new")
        await loom.publish("mail.came", "please pay")
        await loom.idle()
        assert probe.payloads == [{"title": "pay", "urgency": "high"}]
    assert 'answer[0].urgency must be one of "low", "high", not "soon"' in model.last()
    assert 'answer[0].urgency must be one of "low", "high", not "soon"' in PAGE


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert f"`max_steps={_wish.STEPS}` | requests of the model, at most {_wish.MOST_STEPS} " in PAGE
    assert f"`context_tokens={_wish.CONTEXT_TOKENS}`" in PAGE
    assert f"same arguments | {_loop.REPEATS - 1} times" in PAGE
    assert f"denied before | {_loop.MISTAKES} are told" in PAGE
    assert f"calls in one reply | {_tools.MOST_CALLS} " in PAGE
    assert f"as told | {_tools.LONGEST_TOLD} characters" in PAGE
    assert _outputs.Outputs().take("x" * 2_000) == "x" * 2_000
    assert _outputs.Outputs().take("x" * 2_001) != "x" * 2_001
