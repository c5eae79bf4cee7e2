"""A change counts once its file was left alone: one event for each, none early, none lost, no file over the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._folder_settling import Change, Settling, Stamp

A, B = Stamp(1, 10, 1, 1), Stamp(2, 20, 1, 2)


def told(settling: Settling, now: float) -> list[tuple[str, str]]:
    return [(c.kind, c.path) for c in settling.take(now, settling.ready(now))]


def test_a_file_is_created_changed_and_deleted_each_after_the_quiet_time() -> None:
    settling = Settling(1.0, 10)
    settling.observe("a", A, 0.0)
    assert told(settling, 0.9) == []
    assert settling.due() == 1.0
    assert told(settling, 1.0) == [("created", "a")]
    settling.observe("a", B, 2.0)
    assert told(settling, 3.0) == [("changed", "a")]
    settling.observe("a", None, 4.0)
    assert settling.take(5.0, settling.ready(5.0)) == [Change("deleted", "a", B)]
    assert (settling.known, settling.pending, settling.due()) == ({}, {}, None)


def test_a_touch_begins_the_quiet_time_anew_even_if_the_file_looks_the_same() -> None:
    settling = Settling(1.0, 10)
    settling.observe("a", A, 0.0)
    settling.observe("a", A, 0.7, hinted=True)
    assert settling.ready(1.5) == []
    settling.observe("a", A, 1.6)  # a look alone does not
    assert told(settling, 1.7) == [("created", "a")]


def test_what_comes_and_goes_within_the_quiet_time_is_not_told() -> None:
    settling = Settling(1.0, 10)
    settling.observe("a", A, 0.0)
    settling.observe("a", None, 0.5)
    assert told(settling, 9.0) == []
    assert settling.pending == {}


def test_a_file_with_another_name_is_moved_and_keeps_its_look() -> None:
    settling = Settling(1.0, 10)
    settling.adopt("a", A)
    settling.observe("a", None, 0.0)
    settling.observe("b", A, 0.5)
    assert told(settling, 1.0) == []  # the other half is not ready
    assert settling.take(1.5, settling.ready(1.5)) == [Change("moved", "b", A, "a")]
    assert settling.known == {"b": A}


def test_a_file_that_replaces_another_one_changes_it() -> None:
    settling = Settling(1.0, 10)
    settling.adopt("a", A)
    settling.adopt("new", B)
    settling.observe("new", None, 0.0)
    settling.observe("a", B, 0.0)
    assert sorted(told(settling, 1.0)) == [("changed", "a"), ("deleted", "new")]


def test_one_file_too_many_is_left_out_and_counted() -> None:
    settling = Settling(1.0, 2)
    settling.adopt("a", A)
    assert settling.observe("b", A, 0.0)
    assert not settling.observe("c", A, 0.0)
    settling.adopt("d", A)
    assert settling.left_out == 2
    assert set(settling.known) | set(settling.pending) == {"a", "b"}


NAMES = ("a", "b", "c")
WRITES = st.tuples(
    st.sampled_from((0.0, 0.3, 0.7, 1.5, 3.0)),
    st.sampled_from(NAMES),
    st.booleans(),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)


class Disk:
    """Three files, what is told of them, and a reader that replays what it was told."""

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.now = 0.0
        self.clock = 0
        self.files: dict[str, Stamp] = {}
        self.touched = dict.fromkeys(NAMES, -9.0)
        self.replayed: dict[str, Stamp] = {}
        self.writes = dict.fromkeys(NAMES, 0)
        self.events = dict.fromkeys(NAMES, 0)
        self.settling = Settling(settle, 10)

    def write(self, name: str, gone: bool, size: int) -> None:
        self.clock += 1
        if gone:
            self.files.pop(name, None)
        else:
            self.files[name] = Stamp(size, self.clock, 1, NAMES.index(name) + 1)
            self.touched[name] = self.now  # even unheard of: the file looks new
        self.writes[name] += 1

    def rename(self, name: str, other: str) -> None:
        if name in self.files and name != other:
            self.files[other] = self.files.pop(name)
            self.writes[name] += 1
            self.writes[other] += 1

    def hint(self, *names: str) -> None:
        for name in names:
            self.touched[name] = self.now
            self.settling.observe(name, self.files.get(name), self.now, hinted=True)

    def scan(self) -> None:
        for name in NAMES:
            self.settling.observe(name, self.files.get(name), self.now)

    def turn(self) -> None:
        ready = self.settling.ready(self.now)
        for name in ready:
            self.settling.observe(name, self.files.get(name), self.now)
        for change in self.settling.take(self.now, ready):
            self.told(change)

    def told(self, change: Change) -> None:
        names = [change.path, *([change.before] if change.before else [])]
        for name in names:
            assert self.now - self.touched[name] >= self.settle, "told before it was quiet"
            self.events[name] += 1
            assert self.events[name] <= self.writes[name], "told twice"
        present = change.path in self.replayed
        assert present == (change.kind in ("changed", "deleted"))
        for name in names:
            self.replayed.pop(name, None)
        if change.kind != "deleted":
            self.replayed[change.path] = change.stamp


@given(st.lists(WRITES, max_size=25), st.sampled_from((0.2, 0.5, 1.0, 2.0)))
def test_whatever_is_written_and_however_much_of_it_is_overheard_the_changes_tell_the_files(
    writes: list[tuple[float, str, bool, int, bool, bool]], settle: float
) -> None:
    disk = Disk(settle)
    for pause, name, gone, size, heard, moves in writes:
        end = disk.now + pause
        while (due := disk.settling.due()) is not None and due <= end:
            disk.now = max(due, disk.now)
            disk.turn()
            if disk.settling.due() == due:  # half of a move waits for the other one
                break
        disk.now = end
        other = NAMES[size % len(NAMES)]
        if moves:
            disk.rename(name, other)
        else:
            disk.write(name, gone, size)
        if heard:
            disk.hint(name, *([other] if moves else []))
    disk.scan()  # what was not heard is found by looking
    for _ in range(4):
        disk.now += settle + 1e-6
        disk.turn()
    assert disk.replayed == disk.files == disk.settling.known
    assert disk.settling.pending == {}
