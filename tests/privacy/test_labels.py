"""What a thread once held it holds for good: for itself and its relatives, over restarts, and when there is no room."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.event import PUBLIC, Confidentiality, Label
from loom.privacy import Guard, ThreadLabels

PRIVATE = Label(Confidentiality.PRIVATE)
LOCAL = Label(Confidentiality.LOCAL_ONLY)
SENSITIVE = Label(Confidentiality.SENSITIVE)
labels = st.builds(Label, st.sampled_from(Confidentiality), st.booleans())
threads = st.sampled_from(["t", "t/child", "t/child/deep", "u", "u/x", "", "/", "tt"])


class Kept:
    """A Keep in memory that can fail."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.broken = False

    def read(self, name: str) -> bytes | None:
        return self.values.get(name)

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self.values if name.startswith(prefix))

    async def write(self, name: str, value: bytes | None) -> None:
        if self.broken:
            raise OSError("the disk is full")
        assert value is not None
        self.values[name] = value


@settings(max_examples=300)
@given(st.lists(st.tuples(threads, labels), max_size=12), st.integers(0, 3))
def test_a_label_never_falls_below_what_any_relative_held(said: list[tuple[str, Label]], most: int) -> None:
    guard = ThreadLabels(None, most)
    held: dict[str, Confidentiality] = {}
    for thread, label in said:
        root = thread.partition("/")[0]
        held[root] = max(held.get(root, Confidentiality.PUBLIC), label.confidentiality)
        got = guard.raised(thread, label)
        assert got.confidentiality >= held[root]
        assert got.untrusted == label.untrusted
        assert len(guard) <= most
        if most == 3:  # room for each of the roots but one
            assert got.confidentiality == held[root] or len(held) > 3


def test_a_child_inherits_and_raises() -> None:
    guard = Guard()
    assert guard.label("t/child", PRIVATE) == PRIVATE
    assert guard.label("t", PUBLIC) == PRIVATE
    assert guard.label("t/other", SENSITIVE) == PRIVATE
    assert guard.label("u", PUBLIC) == PUBLIC
    assert guard.label(None, PUBLIC) == PUBLIC


def test_without_room_the_unknown_count_as_private_and_as_what_was_lost() -> None:
    guard = ThreadLabels(None, 1)
    guard.raised("a", SENSITIVE)
    assert guard.raised("b", PUBLIC) == PUBLIC
    guard.raised("c", SENSITIVE)
    assert guard.raised("b", PUBLIC) == PRIVATE
    assert guard.raised("a", PUBLIC) == SENSITIVE
    guard.raised("d", LOCAL)
    assert guard.raised("e", PUBLIC) == LOCAL


async def test_labels_survive_a_restart_and_names_of_threads_are_not_kept() -> None:
    kept = Kept()
    guard = Guard(keep=kept)
    guard.label("bob@example.com", PRIVATE)
    guard.label("loud", LOCAL)
    await guard.saved()
    again = Guard(keep=kept)
    assert again.label("bob@example.com/child", PUBLIC) == PRIVATE
    assert again.label("loud", PUBLIC) == LOCAL
    assert again.label("other", PUBLIC) == PUBLIC
    assert "bob" not in str(kept.values)


async def test_having_no_room_survives_a_restart_too() -> None:
    kept = Kept()
    guard = ThreadLabels(kept, 1)
    guard.raised("a", PRIVATE)
    guard.raised("b", PRIVATE)
    await guard.save()
    assert ThreadLabels(kept, 5).raised("unknown", PUBLIC) == PRIVATE


async def test_a_label_that_could_not_be_written_is_written_next_time() -> None:
    kept = Kept()
    kept.broken = True
    guard = ThreadLabels(kept)
    guard.raised("a", PRIVATE)
    with pytest.raises(OSError, match="disk is full"):
        await guard.save()
    assert guard.unsaved == 1
    kept.broken = False
    await guard.save()
    assert guard.unsaved == 0
    assert ThreadLabels(kept).raised("a", PUBLIC) == PRIVATE


@pytest.mark.parametrize("damaged", [b"", b"9", b"x", b"-1"])
def test_a_damaged_label_counts_as_local_only(damaged: bytes) -> None:
    kept = Kept()
    guard = ThreadLabels(kept)
    guard.raised("a", SENSITIVE)
    kept.values = dict.fromkeys(guard._unsaved, damaged)
    assert ThreadLabels(kept).raised("a", PUBLIC) == LOCAL


def test_more_labels_than_room_at_the_start_close_it() -> None:
    kept = Kept()
    full = ThreadLabels(kept)
    for name in "abc":
        full.raised(name, SENSITIVE)
    kept.values = dict.fromkeys(full._unsaved, b"1")
    assert ThreadLabels(kept, 2).raised("unknown", PUBLIC) == LOCAL
