"""Large results: short ones as they are, long ones by reference, never more kept than stated."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from loom.router.tools._outputs import Outputs


@given(st.lists(st.text(max_size=300) | st.integers(0, 700).map(lambda n: "x" * n), max_size=30))
@example(["x" * 200] * 5)
def test_whatever_comes_no_more_is_kept_than_stated(texts: list[str]) -> None:
    outputs = Outputs(most=20, kept=500)
    for text in texts:
        given = outputs.take(text)
        if len(text) <= 20:
            assert given == text
            continue
        told = json.loads(given)
        assert (told["size"], told["head"]) == (len(text), text[:10])
        assert sum(map(len, outputs._texts.values())) == outputs._held <= 500
        assert told["ref"] in outputs._texts, "the newest is there"


@given(st.text(min_size=21, max_size=300))
def test_read_from_piece_to_piece_it_is_the_whole(text: str) -> None:
    outputs = Outputs(most=20, kept=500)
    ref = json.loads(outputs.take(text))["ref"]
    whole, at = "", 0
    while True:
        piece = json.loads(outputs.read(ref, at))
        whole += piece["text"]
        if piece.get("end"):
            break
        assert piece["next"] > at
        at = piece["next"]
    assert whole == text
    assert json.loads(outputs.read(ref, 10_000)) == {"ref": ref, "offset": 10_000, "text": "", "end": True}


def test_of_one_that_is_too_large_the_beginning_is_kept_and_unknown_ones_are_told() -> None:
    outputs = Outputs(most=20, kept=500)
    assert json.loads(outputs.read("out-1"))["error"] == "no output 'out-1' is kept; there are none"
    told = json.loads(outputs.take("x" * 1_000))
    assert told["size"] == 1_000
    assert json.loads(outputs.read(told["ref"], 495)) == {
        "ref": "out-1",
        "offset": 495,
        "text": "xxxxx",
        "end": True,
    }
