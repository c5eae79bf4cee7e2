"""What a worker printed: the last lines, whatever it prints."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.worker._output import WIDTH, OutputRing


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_are_kept_within_bounds_as_printable_text(chunks: list[bytes]) -> None:
    ring = OutputRing(5)
    for chunk in chunks:
        ring.feed(chunk)
    tail = ring.tail(100)
    assert len(tail) <= 6
    assert all(c.isprintable() or c == "\t" for line in tail for c in line)


def test_lines_are_joined_over_chunks_and_the_unfinished_one_counts() -> None:
    ring = OutputRing(2)
    assert ring.feed(b"one\ntw") == ["one"]
    assert ring.feed(b"o\r\nthree\nfo") == ["two", "three"]
    assert ring.tail() == ["two", "three", "fo"]
    assert ring.total == 3


def test_a_line_without_end_does_not_grow() -> None:
    ring = OutputRing(2)
    for _ in range(100):
        ring.feed(b"x" * 10_000)
    assert [len(line) for line in ring.tail()] == [WIDTH]
