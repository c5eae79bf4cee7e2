"""Bytes in, frames out: however they are cut, and nothing above the maximum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import PayloadTooLarge, WorkerGarbage
from loom.worker._framing import FrameDecoder, frame


@given(st.lists(st.binary(min_size=1, max_size=50)), st.lists(st.integers(1, 20)))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(each, 50, "here") for each in frames)
    decoder = FrameDecoder(50)
    got: list[bytes] = []
    for cut in cuts:
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    got += decoder.feed(stream)
    assert got == frames
    assert decoder.unfinished == 0


@given(st.lists(st.binary(max_size=100)))
def test_any_bytes_give_frames_within_bounds_or_garbage(chunks: list[bytes]) -> None:
    decoder = FrameDecoder(64)
    try:
        for chunk in chunks:
            assert all(0 < len(each) <= 64 for each in decoder.feed(chunk))
            assert decoder.unfinished < 64 + 4
    except WorkerGarbage:
        pass


def test_a_length_of_zero_or_above_the_maximum_is_garbage() -> None:
    for data in (b"\0\0\0\0", b"\0\0\0\x0b", b"HTTP/1.1 200 OK"):
        with pytest.raises(WorkerGarbage, match=r"1\.\.10"):
            FrameDecoder(10).feed(data)


def test_a_message_above_the_maximum_is_not_sent() -> None:
    with pytest.raises(PayloadTooLarge, match="worker 'x'"):
        frame(bytes(11), 10, "worker 'x'")
