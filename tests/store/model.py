"""A backend against a dictionary: whatever is done, both hold the same."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loom.store import Backend, Family, Put
from loom.store.families import number
from loom.store.opening import open_backend

BYTES = [Family.STEPS, Family.STATES, Family.DUE]
some_bytes = st.binary(max_size=3) | st.sampled_from([b"\0", b"\xff", b"\xff\xff", b"a\0b", b"\x7f", b"\x80"])
numbers = (st.integers(0, 6) | st.sampled_from([255, 256, 2**63 - 1])).map(number)
values = st.binary(max_size=9) | st.integers(1, 40).map(lambda n: b"x" * n * 997)
puts = st.one_of(
    st.builds(Put, st.sampled_from(BYTES), some_bytes, st.none() | values),
    st.builds(Put, st.just(Family.JOURNAL), numbers, st.none() | values),
)
families = st.sampled_from([*BYTES, Family.JOURNAL])
places = some_bytes | numbers


class Model(RuleBasedStateMachine):
    kind = ""

    def open(self) -> Backend:
        return open_backend(self.folder, self.kind)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.backend = self.open()
        self.kept: dict[Family, dict[bytes, bytes]] = {family: {} for family in [*BYTES, Family.JOURNAL]}

    @rule(batch=st.lists(puts, max_size=8), sync=st.booleans())
    def write(self, batch: list[Put], sync: bool) -> None:
        self.backend.write(batch, sync)
        for family, key, value in batch:
            self.kept[family].pop(key, None)
            if value is not None:
                self.kept[family][key] = value

    @rule(family=families, start=places, end=places)
    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        self.backend.remove(family, start, end)
        for key in [key for key in self.kept[family] if start <= key < end]:
            del self.kept[family][key]

    @rule(family=families, start=places, end=st.none() | places, limit=st.integers(0, 9))
    def scan(self, family: Family, start: bytes, end: bytes | None, limit: int) -> None:
        expected = [
            p for p in sorted(self.kept[family].items()) if p[0] >= start and (end is None or p[0] < end)
        ]
        assert self.backend.scan(family, start, end, limit) == expected[:limit]

    @rule(family=families, key=places)
    def get(self, family: Family, key: bytes) -> None:
        assert self.backend.get(family, key) == self.kept[family].get(key)

    @rule()
    def reopen(self) -> None:
        self.backend.close()
        self.backend = self.open()

    @rule()
    def checkpoint(self) -> None:
        self.backend.checkpoint()

    @rule()
    def compact(self) -> None:
        self.backend.compact()

    @invariant()
    def all_is_there(self) -> None:
        for family, kept in self.kept.items():
            assert self.backend.scan(family) == sorted(kept.items())
            assert self.backend.count(family) == len(kept)
            assert self.backend.last(family) == max(kept, default=None)

    def teardown(self) -> None:
        assert list(self.backend.verify()) == []
        self.backend.close()
        shutil.rmtree(self.folder)


def model_of(kind: str, examples: int = 25) -> type:
    """The stateful test of the backend *kind*."""
    found = type(f"Model_{kind}", (Model,), {"kind": kind}).TestCase
    found.settings = settings(max_examples=examples, stateful_step_count=25, deadline=None)
    return found
