"""Provisional words are held back until nothing better came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.models.price import FREE
from loom.router.policy import Policy
from loom.testing import FakeBackend
from loom.web.provisional import MOST_HELD, Held
from loom.web.refusal import Refusal
from tests.web.conftest import client_of

texts = st.lists(st.text(max_size=5), max_size=6)


def draft(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "provisional": True, **more}


@given(texts, texts)
def test_a_refined_answer_is_all_that_is_sent(drafts: list[str], refined: list[str]) -> None:
    held = Held()
    items = [*map(draft, drafts), {"text": "", "refining": True}, *({"text": each} for each in refined)]
    sent = "".join(held.take(item) for item in items) + held.take({"text": "", "done": True})
    assert sent == "".join(refined)


@given(texts)
def test_a_provisional_answer_that_stands_is_sent_whole(drafts: list[str]) -> None:
    held = Held()
    assert "".join(held.take(draft(each)) for each in drafts) == ""
    assert held.take(draft("", done=True)) == "".join(drafts)


def test_a_provisional_answer_is_bounded() -> None:
    held = Held()
    held.take(draft("x" * MOST_HELD))
    with pytest.raises(Refusal, match="provisional"):
        held.take(draft("x"))


@pytest.mark.parametrize("item", [None, 3, b"x"])
def test_what_is_no_text_is_the_backends_error(item: Any) -> None:
    with pytest.raises(Refusal) as caught:
        Held().take(item)
    assert caught.value.status == 502


async def test_a_client_hears_the_refined_answer_alone(serve: Any) -> None:
    def says(word: str) -> Any:
        return lambda request: [{"text": word}, {"text": "", "done": True, "tokens_in": 1, "tokens_out": 1}]

    near, far = (
        FakeBackend("chat", says("near"), name="near"),
        FakeBackend("chat", says("far"), name="far", delay=0.02),
    )
    near.quality, far.location = 0.6, "cloud"  # type: ignore[attr-defined]
    far.price, far.quality = FREE, 0.9  # type: ignore[attr-defined]
    async with serve(near, far) as gateway, client_of(gateway) as client:
        gateway._upstream._loom.router.policy = Policy(hybrid="speculative")
        raw = await client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        heard = [chunk.choices[0].delta.content async for chunk in raw.parse() if chunk.choices]
    assert "".join(each or "" for each in heard) == "far"
    assert raw.headers["x-loom-decision"]
    assert raw.headers["x-loom-route"] == "hybrid"
    assert len(near.requests) == 1
