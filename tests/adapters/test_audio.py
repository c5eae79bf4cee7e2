"""Sound as a payload: what it may be, and that it is the same behind the codec and the journal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Event
from loom.adapters.audio import Audio
from loom.errors import InvalidEvent
from loom.event._codec_buffer import as_buffer
from loom.event._codec_payload import decode_payload
from loom.event.codec import decode, encode
from loom.testing import new_loom, virtual_time


@st.composite
def sounds(draw: st.DrawFn) -> Audio:
    channels, width = draw(st.integers(1, 8)), draw(st.sampled_from([1, 2, 3, 4]))
    moments = draw(st.integers(0, 20))
    return Audio(
        draw(st.binary(min_size=moments * channels * width, max_size=moments * channels * width)),
        draw(st.integers(1, 400_000)),
        channels,
        width,
        draw(st.integers(0, 2**62)),
        draw(st.floats(0, 1e9)),
        draw(st.integers(0, 2**45)),
        draw(st.booleans()),
    )


@given(sounds())
def test_behind_the_codec_it_is_the_same_once_and_again(sound: Audio) -> None:
    once = decode(encode(Event("chunk", sound, topic="mic.kitchen")))
    assert once.payload == sound
    assert decode(encode(Event("chunk", once.payload, content_type=once.content_type))).payload == sound


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"channels": 0}, {"width": 5}, {"at": float("nan")}])
def test_an_impossible_format_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidEvent):
        Audio(b"", **wrong)  # type: ignore[arg-type]


def test_half_a_sample_is_refused_here_and_on_the_wire() -> None:
    with pytest.raises(InvalidEvent, match="3 bytes is not a whole number of 1 x 2"):
        Audio(b"abc")
    for fields in ("rate=16000", "", "rate=loud; width=1", "rate=8000; width=1; last=1; at=inf"):
        with pytest.raises(InvalidEvent):
            decode_payload(b"abc", f"audio/x-loom-pcm; {fields}")


def test_it_knows_how_long_it_sounds_and_is_an_array_for_models() -> None:
    assert Audio(bytes(2560)).seconds == 0.08
    assert Audio(bytes(17640), rate=44_100, channels=2).seconds == 0.1
    stereo = as_buffer(Audio(bytes(12), channels=2))
    assert stereo is not None
    assert (stereo.dtype, stereo.shape, stereo.rate) == ("int16", (3, 2), 16_000)


@virtual_time
async def test_it_comes_back_from_the_journal(tmp_path: Path) -> None:
    sounds = [Audio(b"\1\2" * 1280, number=n, at=0.08 * n, captured_ms=n, last=n == 2) for n in range(3)]
    async with new_loom(data=tmp_path) as loom:
        loom.journal("mic.>", keep=True)
        for sound in sounds:
            await loom.publish("mic.kitchen", sound)
        ear = loom.subscribe("mic.>", durable="ear", start="beginning")
        assert [event.payload for event in await ear.take_batch(10, 1)] == sounds
