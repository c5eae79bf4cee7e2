"""What sounds next: nothing is lost or heard twice by holding, and nothing is heard of what was dropped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._playback import Playback

DEEDS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 25)),
    st.tuples(st.just("drop"), st.integers(1, 12)),
    st.tuples(st.sampled_from(["hold", "resume", "clear", "block"]), st.just(0)),
    st.tuples(st.just("block"), st.just(0)),
)


@given(st.lists(DEEDS, max_size=60))
def test_what_is_heard_is_what_was_played_in_order_less_what_was_cut(deeds: list[tuple[str, int]]) -> None:
    """A model that knows single bytes: play n is made of the byte n, and 0 is silence."""
    playback, held = Playback(8), False
    model: list[tuple[int, list[int]]] = []
    for deed, number in deeds:
        if deed == "add":
            play = playback.add(bytes([playback._serial % 255 + 1]) * number)
            model.append((play, [(play - 1) % 255 + 1] * number))
        elif deed == "drop":
            assert playback.drop(number) is any(play == number for play, _ in model)
            model = [each for each in model if each[0] != number]
        elif deed == "clear":
            assert playback.clear() == tuple(play for play, _ in model)
            model, held = [], False
        elif deed == "block":
            block = playback.block()
            expected: list[int] = []
            ended: list[int] = []
            while model and not held and (len(expected) < 8 or not model[0][1]):
                play, left = model[0]
                taken = left[: 8 - len(expected)]
                expected += taken
                model[0] = (play, left[len(taken) :])
                if not model[0][1]:
                    ended.append(play)
                    del model[0]
            assert len(block.pcm) == 8
            assert list(block.pcm) == expected + [0] * (8 - len(expected))
            assert list(block.ended) == ended
            assert block.sounding is bool(expected)
        else:
            held = playback.held = deed == "hold"
        assert len(playback) == len(model)
        assert playback.waiting == sum(len(left) for _, left in model)


def test_after_a_hold_it_goes_on_with_the_next_sample() -> None:
    playback = Playback(4)
    playback.add(b"abcdefgh")
    assert playback.block().pcm == b"abcd"
    playback.held = True
    assert [playback.block().pcm for _ in range(3)] == [bytes(4)] * 3
    playback.held = False
    assert playback.block() == (b"efgh", (1,), True)
