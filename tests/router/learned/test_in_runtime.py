"""Learning switched on by one line in a runtime with a store: it is there after a restart, or the loss is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loom import Loom
from loom.models import ModelReply, ModelRequest
from loom.testing import new_loom, virtual_time

QUESTION = "What is the capital of France?"


class Named:
    tasks = frozenset({"chat"})

    def __init__(self, name: str, location: str, quality: float) -> None:
        self.name, self.location, self.quality = name, location, quality

    async def infer(self, request: ModelRequest) -> ModelReply:
        return ModelReply({"text": self.name}, self.name, 0.0, 1.0)

    async def close(self) -> None: ...

    def statistics(self) -> dict[str, object]:
        return {}


def runtime(folder: Path) -> Loom:
    router: dict[str, Any] = {"learned": True, "threshold": 0.7, "hybrid": "off"}
    loom = new_loom(data=folder, router=router)
    return loom.add_model(Named("small", "local", 0.9)).add_model(Named("large", "edge", 0.9))  # type: ignore[arg-type]


async def taught(folder: Path) -> None:
    async with runtime(folder) as loom:
        for _ in range(40):
            reply = await loom.infer(ModelRequest("chat", QUESTION))
            assert reply.decision is not None
            loom.router.feedback(reply.decision.id, float(reply.backend == "large"))
        assert (await loom.router.decide(ModelRequest("chat", QUESTION))).order[0] == "large"


@virtual_time
async def test_what_was_learnt_is_there_after_a_restart(tmp_path: Path) -> None:
    await taught(tmp_path)
    async with runtime(tmp_path) as loom:
        firsts = [(await loom.router.decide(ModelRequest("chat", QUESTION))).order[0] for _ in range(10)]
        assert firsts == ["large"] * 10


@virtual_time
async def test_a_state_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await taught(tmp_path)
    monkeypatch.setattr("loom.router.learned.beliefs._VERSION", 2)
    async with runtime(tmp_path) as loom:
        reply = await loom.infer(ModelRequest("chat", QUESTION))
        assert reply.backend
    assert "begins with its priors" in caplog.text
