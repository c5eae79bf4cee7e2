"""Writes that can be checked: each one sets all members of a group, in every kind of family, to the same number.

As a program (`python -m tests.store.writing write|hold KIND FOLDER`) it writes group after group and says each number
when it is kept, or only holds the store. `limit` writes until it may not any more, and goes on when it may.
"""

import resource
import sys

from loom.errors import StoreFull
from loom.store import Backend, Family, Put
from loom.store.families import number, unnumber
from loom.store.opening import open_backend
from loom.store.sqlite import SqliteBackend

MEMBERS = 8
FAMILIES = (Family.STEPS, Family.STATES, Family.POSITIONS)


def group(store: Backend, n: int) -> None:
    """Write group *n*: one event in the journal, and every member says *n*."""
    members = [Put(f, b"member-%d" % m, number(n) + b"x" * 300 * m) for f in FAMILIES for m in range(MEMBERS)]
    store.write([*members, Put(Family.JOURNAL, number(n), b"event"), Put(Family.IDS, b"%d" % n, number(n))])


def check(store: Backend, at_least: int = 0) -> int:
    """The number of the last group; fails where part of a group is seen, or one before *at_least*."""
    last = at_least
    for family in FAMILIES:
        found = [unnumber(value) for _, value in store.scan(family)]
        assert len(found) == MEMBERS
        assert len(set(found)) == 1, f"half a write: {family} {found}"
        assert found[0] >= last, f"back in time: {family} {found[0]} after {last}"
        last = found[0]
    events = store.scan(Family.JOURNAL, limit=1_000_000)
    assert [unnumber(key) for key, _ in events] == list(range(len(events)))
    assert len(events) > last
    return len(events) - 1


def limit(store: Backend) -> None:
    """Write until no file may grow any more, say how often it was kept, then go on without the limit."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    n = 0
    try:
        while True:
            group(store, n)
            n += 1
    except StoreFull as error:
        print(f"full: {error}", flush=True)
    for _ in range(2):
        assert check(store) == n - 1
        try:
            group(store, n)
            n += 1  # in another file
        except StoreFull:
            print("still full", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    group(store, n)
    assert check(store) == n
    print("goes on", flush=True)


def unfolded(store: Backend) -> None:
    """Write while the log has room and the main file has none."""
    assert isinstance(store, SqliteBackend)
    assert store._writer is not None
    store.write([Put(Family.BLOBS, b"large", bytes(400_000))])
    store.checkpoint()
    store._writer.execute("PRAGMA wal_autocheckpoint = 5")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    for n in range(10):
        store.write([Put(Family.JOURNAL, number(n), bytes(10_000))])
    store.checkpoint()


def main(task: str, kind: str, folder: str) -> None:
    store = open_backend(folder, kind)
    if task == "hold":
        print("open", flush=True)
        sys.stdin.read()
    if task == "limit":
        limit(store)
        return
    if task == "unfolded":
        unfolded(store)
        return
    first = store.count(Family.JOURNAL)
    for n in range(first, first + 100_000):
        group(store, n)
        print(n, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
