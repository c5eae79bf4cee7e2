"""The router picks the first local backend that can do the task, and says what there is when none can."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError, NoBackend
from loom.models import Model, ModelReply, ModelRequest
from loom.router import Router, pick


class Fake:
    """A backend that answers with its name."""

    def __init__(self, name: str, *tasks: str, location: str = "local") -> None:
        self.name, self.tasks, self.location = name, frozenset(tasks), location
        self.closed = False

    async def infer(self, request: ModelRequest) -> ModelReply:
        return ModelReply(request.input, self.name, 0.0, 1.0)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        for item in range(3):
            yield item

    async def close(self) -> None:
        self.closed = True

    def statistics(self) -> Mapping[str, object]:
        return {"calls": 1}


tasks = st.sampled_from(["faces", "text", "speech"])
fakes = st.builds(
    lambda t, place: Fake("m", *t, location=place), st.lists(tasks), st.sampled_from(["local", "cloud"])
)


@given(tasks, st.lists(fakes))
def test_the_first_local_backend_that_can_do_it_or_no_backend(task: str, models: list[Fake]) -> None:
    able = [m for m in models if task in m.tasks and m.location == "local"]
    if able:
        assert pick(task, models) is able[0]
    else:
        with pytest.raises(NoBackend, match=task):
            pick(task, models)


def test_the_message_names_the_task_what_is_installed_and_the_nearest() -> None:
    with pytest.raises(NoBackend, match=r"'face' \(added: faces, text\); did you mean 'faces'"):
        pick("face", [Fake("a", "text"), Fake("b", "faces")])
    with pytest.raises(NoBackend, match="added: none"):
        pick("faces", [])
    with pytest.raises(NoBackend, match=r"only far \(cloud\) can do it"):
        pick("faces", [Fake("far", "faces", location="cloud")])


async def test_a_request_goes_to_the_chosen_backend_and_all_are_closed() -> None:
    models = [Fake("a", "text"), Fake("b", "faces")]
    router = Router(models)
    assert router.tasks == {"text", "faces"}
    reply = await router.ask(ModelRequest("faces", 7))
    assert (reply.output, reply.backend) == (7, "b")
    assert {name: each["model"] for name, each in router.statistics().items()} == {
        "a": {"calls": 1},
        "b": {"calls": 1},
    }
    assert [each["asked"] for each in router.statistics().values()] == [0, 1]
    await router.close()
    assert all(model.closed for model in models)


def test_two_backends_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="'a'"):
        Router([Fake("a"), Fake("a")])


def test_a_fake_is_a_model() -> None:
    assert isinstance(Fake("a"), Model)
