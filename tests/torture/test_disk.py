"""What a disk may hold after a power loss: the model keeps what was synced and gives up anything else."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torture._disk import (
    FLAVOURS,
    HEAD,
    SECTOR,
    Disk,
    Record,
    Unsupported,
    differences,
    read_log,
    write_image,
)

ROOT = Path("/data")


def log(*calls: tuple[str, int, int, bytes]) -> Disk:
    return Disk(ROOT, iter(Record(*call) for call in calls))


def opened(fd: int, name: str, flags: int = 1) -> tuple[str, int, int, bytes]:
    return ("O", fd, flags, f"/data/{name}".encode())


FOLDER = opened(9, "", 4)
FOLDER_SYNC = (("B", 9, 90, b""), ("S", 9, 90, b""))


def looks(disk: Disk, at: int | None = None) -> list[dict[str, bytes | None]]:
    return [
        disk.image(disk.length if at is None else at, flavour, random.Random(seed))
        for flavour in FLAVOURS
        for seed in range(30)
    ]


def test_what_was_synced_is_always_there() -> None:
    disk = log(
        FOLDER, opened(3, "a"), ("W", 3, 0, b"kept"), ("B", 3, 1, b""), ("S", 3, 1, b""), *FOLDER_SYNC,
        ("W", 3, 4, b"perhaps"),
    )  # fmt: skip
    contents = [image["a"] for image in looks(disk)]
    assert all(content is not None and content.startswith(b"kept") for content in contents)
    assert {b"kept", b"keptperhaps"} <= set(contents)


def test_a_name_needs_a_sync_of_its_folder() -> None:
    disk = log(FOLDER, opened(3, "a"), ("W", 3, 0, b"x"), ("B", 3, 1, b""), ("S", 3, 1, b""))
    assert {frozenset(image) for image in looks(disk)} == {frozenset(), frozenset({"a"})}


def test_a_sync_covers_what_was_written_before_it_began_and_counts_when_it_has_returned() -> None:
    begun = (FOLDER, opened(3, "a"), *FOLDER_SYNC, ("W", 3, 0, b"a"), ("B", 3, 1, b""), ("W", 3, 1, b"b"))
    assert {image["a"] for image in looks(log(*begun))} >= {b"", b"ab"}
    assert {(image["a"] or b"")[:1] for image in looks(log(*begun, ("S", 3, 1, b"")))} == {b"a"}


def test_a_torn_write_is_torn_at_sectors() -> None:
    data = b"a" * SECTOR + b"b" * SECTOR + b"c" * SECTOR
    disk = log(FOLDER, opened(3, "a"), *FOLDER_SYNC, ("W", 3, 0, data))
    found = {image["a"] for image in looks(disk)}
    assert bytes(SECTOR) + b"b" * SECTOR + bytes(SECTOR) in found
    assert all(len(content or b"") % SECTOR == 0 for content in found)


def test_a_rename_is_there_or_not() -> None:
    disk = log(
        FOLDER, opened(3, "new"), ("W", 3, 0, b"n"), ("B", 3, 1, b""), ("S", 3, 1, b""), opened(4, "old"),
        *FOLDER_SYNC, ("R", -1, 0, b"/data/new\1/data/old"),
    )  # fmt: skip
    found = {frozenset(image.items()) for image in looks(disk)}
    assert frozenset({("old", b"n")}) in found
    assert frozenset({("new", b"n"), ("old", b"")}) in found


def test_a_folder_that_is_missing_takes_its_files_with_it() -> None:
    disk = log(FOLDER, ("M", -1, 0, b"/data/sub"), opened(3, "sub/a"))
    assert {} in looks(disk)
    assert all("sub" in image for image in looks(disk) if "sub/a" in image)


def test_what_comes_after_a_missing_cut_is_missing() -> None:
    disk = log(
        FOLDER, opened(3, "a"), *FOLDER_SYNC, ("W", 3, 0, b"long"), ("B", 3, 1, b""), ("S", 3, 1, b""),
        ("T", 3, 0, b""), ("W", 3, 0, b"x"),
    )  # fmt: skip
    found = {image["a"] for image in looks(disk)}
    assert {b"long", b"", b"x"} <= found
    assert b"xong" not in found


def test_calls_that_the_model_does_not_follow_are_refused() -> None:
    with pytest.raises(Unsupported, match="'a'"):
        log(opened(3, "a"), ("V", 3, 0, b""))
    log(opened(3, "a-shm"), ("V", 3, 0, b""))
    with pytest.raises(Unsupported, match="before the log began"):
        log(opened(3, "a", 0))


def test_a_log_that_ends_in_a_record_is_read_up_to_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(HEAD.pack(b"W", 3, 7, 2) + b"ab" + HEAD.pack(b"W", 3, 9, 50) + b"cut")
    assert list(read_log(path)) == [Record("W", 3, 7, b"ab")]


def test_an_image_becomes_a_folder_and_is_compared(tmp_path: Path) -> None:
    image: dict[str, bytes | None] = {"sub": None, "sub/a": b"1", "b": b"2"}
    write_image(tmp_path / "d", image)
    assert differences(tmp_path / "d", image) == []
    (tmp_path / "d" / "b").write_bytes(b"3")
    (tmp_path / "d" / "c").write_bytes(b"")
    assert sorted(differences(tmp_path / "d", image)) == ["b differs", "c is only on one side"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 1500), st.integers(1, 255), st.booleans()), max_size=8
    ),
    st.sampled_from(FLAVOURS),
    st.integers(0, 1000),
)
def test_synced_bytes_that_nothing_overwrites_survive_every_crash(
    writes: list[tuple[int, int, int, bool]], flavour: str, seed: int
) -> None:
    calls = [FOLDER, opened(3, "a"), *FOLDER_SYNC]
    sure = bytearray()
    touched: set[int] = set()
    for number, (at, length, byte, sync) in enumerate(writes):
        data = bytes([byte]) * length
        calls.append(("W", 3, at, data))
        sure.extend(bytes(max(0, at + len(data) - len(sure))))
        sure[at : at + len(data)] = data
        touched |= set(range(at, at + len(data)))
        if sync:
            calls += [("B", 3, number, b""), ("S", 3, number, b"")]
            touched.clear()
            durable = bytes(sure)
    if any(sync for *_, sync in writes):
        content = log(*calls).image(len(calls), flavour, random.Random(seed))["a"]
        assert content is not None
        assert all(content[i] == b for i, b in enumerate(durable) if i not in touched)
