"""What of a conversation fits a budget: never more, always the system and the last question, order and pairs kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import NoRoom
from loom.router.tools import fit
from loom.router.tools._window import KEEPS, LEAST, tokens, total, transcript

TEXT = st.text(max_size=40) | st.integers(0, 2_000).map(lambda n: "word " * n)


def _unit(kind: str, texts: list[str]) -> list[dict[str, Any]]:
    if kind != "call":
        return [{"role": kind, "content": texts[0]}]
    ids = [f"c{number}" for number, _ in enumerate(texts)]
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": i, "name": "t", "arguments": {}} for i in ids],
    }
    return [
        call,
        *({"role": "tool", "tool_call_id": i, "content": t} for i, t in zip(ids, texts, strict=True)),
    ]


UNITS = st.builds(
    _unit, st.sampled_from(["user", "assistant", "call"]), st.lists(TEXT, min_size=1, max_size=3)
)
TALKS = st.builds(
    lambda system, before, question, after: [
        *([] if system is None else [{"role": "system", "content": system}]),
        *(message for unit in before for message in unit),
        {"role": "user", "content": question},
        *(message for unit in after for message in unit if message["role"] != "user"),
    ],
    st.none() | TEXT,
    st.lists(UNITS, max_size=6),
    TEXT,
    st.lists(UNITS, max_size=3),
)


def _shortens(short: str, whole: str) -> bool:
    """Whether *short* is *whole*, or its beginning (and its end)."""
    if short == whole:
        return True
    head, gap, tail = short.partition("\n[... ")
    return whole.startswith(head) and (not gap or whole.endswith(tail.partition("...]\n")[2]))


@given(TALKS, st.integers(40, 4_000), st.integers(0, 200))
def test_a_window_is_never_over_its_room_and_keeps_what_must_stay_in_order(
    talk: list[dict[str, Any]], room: int, fixed: int
) -> None:
    note = room // 8
    try:
        window = fit(talk, room, fixed, note)
    except NoRoom:
        assert int(room * KEEPS) - fixed - note < 2 * (LEAST + 4) + total(talk[:1]) + 4
        return
    kept = window.messages()
    assert fixed + total(kept) == window.tokens <= room
    if not window.dropped and not window.shortened:
        assert list(kept) == talk
        return
    assert window.tokens + note <= room * KEEPS, (
        "there is room for what is said of the rest, and for more to come"
    )
    # the system message and the last of the user stay
    if talk[0]["role"] == "system":
        assert kept[0]["role"] == "system"
        assert _shortens(kept[0]["content"], talk[0]["content"])
    last = [each for each in talk if each["role"] == "user"][-1]
    assert _shortens([each for each in kept if each["role"] == "user"][-1]["content"], last["content"])
    # order: each kept message is a later one of the talk, and nothing is lost without a word
    places = iter(range(len(talk)))
    for message in kept:
        assert any(
            talk[place]["role"] == message["role"] and _shortens(message["content"], talk[place]["content"])
            for place in places
        )
    assert len(kept) + len(window.dropped) == len(talk)
    # a call and its results stay or go together
    for number, message in enumerate(kept):
        ids = [call["id"] for call in message.get("tool_calls", ())]
        results = [each.get("tool_call_id") for each in kept[number + 1 : number + 1 + len(ids)]]
        assert results == ids
    assert sum(len(each.get("tool_calls", ())) for each in kept) == sum(
        each["role"] == "tool" for each in kept
    )


def test_the_newest_stay() -> None:
    talk = [{"role": "user", "content": f"{number} " + "word " * 50} for number in range(10)]
    window = fit(talk, 300)
    assert [each["content"][0] for each in window.messages()] == ["7", "8", "9"]
    assert [each["content"][0] for each in window.dropped] == list("0123456")
    noted = window.messages("so far: much")
    assert noted[0] == {"role": "user", "content": "so far: much"}


@pytest.mark.parametrize("room", range(130, 660, 30))
def test_at_no_room_it_is_a_little_over(room: int) -> None:
    talk = [{"role": "user", "content": f"{number} " + "word " * 50} for number in range(10)]
    window = fit(talk, room)
    assert window.tokens <= room * KEEPS
    assert window.dropped


def test_an_overlong_question_keeps_its_beginning_and_its_end() -> None:
    window = fit([{"role": "user", "content": "BEGIN " + "word " * 10_000 + "END"}], 200)
    (message,) = window.messages()
    assert message["content"].startswith("BEGIN")
    assert message["content"].endswith("END")
    assert "characters left out" in message["content"]
    assert window.shortened > 40_000


def test_tools_that_take_all_of_the_room_are_told() -> None:
    with pytest.raises(NoRoom, match="beside its tools; raise context_tokens or offer less"):
        fit([{"role": "user", "content": "x" * 10_000}], 300, fixed=250)


@given(TALKS, st.integers(50, 2_000))
def test_a_transcript_fits(talk: list[dict[str, Any]], most: int) -> None:
    assert tokens({"role": "user", "content": transcript(talk, most)}) <= most
