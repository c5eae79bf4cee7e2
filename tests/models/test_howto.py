"""The how-to page about models is code that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from loom.models import Model
from loom.models.catalog import BACKENDS
from loom.testing import FakeBackend, Probe, new_loom, run, run_until_idle

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "models.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def _names(*blocks: str, **known: object) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page", **known}
    exec(compile("\n".join(blocks), "models.md", "exec"), names)
    return names


def test_the_first_program_runs_with_the_real_model() -> None:
    pytest.importorskip("ai_edge_litert")
    assert "Doorkeeper" in _names(BLOCKS[0])


def test_the_talker_says_what_the_model_streams() -> None:
    names = _names(BLOCKS[0].partition("\n\nasync def main")[0], BLOCKS[1])
    backend = FakeBackend("chat", [[{"text": "Hello"}, {"text": " you"}, {"text": "", "done": True}]])

    async def story() -> tuple[str, list[Any]]:
        async with new_loom(names["Talker"]).add_model(backend) as loom:
            probe = Probe(loom.bus, "answer.piece")
            await loom.publish("question.asked", "Who is there?")
            await run_until_idle(loom)
            return loom.agent("Talker").instance.said, probe.payloads

    assert run(story()) == ("Hello you", ["Hello", " you", ""])
    assert backend.requests[0].options == {"max_tokens": 80}


def test_a_model_of_ones_own_has_the_form_of_the_page() -> None:
    class Host:
        config = {"path": "tags.bin"}

    class Call:
        def check(self) -> None:
            pass

    methods = _names(BLOCKS[2], load=lambda path: str.upper, parts_of=str.split)["factory"](Host())
    assert methods["tag"]({"input": "a b"}, Call()) == ["A", "B"]
    assert list(methods["tag_stream"]({"input": "a b"}, Call())) == ["A", "B"]
    model = _names(BLOCKS[3])["model"]
    assert isinstance(model, Model)
    assert (model.tasks, model.streams) == ({"tag"}, {"tag"})


def test_the_page_names_every_task_of_the_catalog() -> None:
    tasks = {task for row in BACKENDS.values() for task in row.tasks}
    assert {task for task in tasks if f"`{task}`" not in PAGE} == set()
