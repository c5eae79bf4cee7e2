"""A Backend whose rows are sealed on their way to the disk: who reads and writes through it need not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loom.errors import Shredded, StoreCorrupt
from loom.store._master_key import find_master_key
from loom.store._subjects import SEALED, label_of, referred, subject_of
from loom.store.backend import Backend, Put
from loom.store.families import Family
from loom.store.opening import open_backend
from loom.store.sealing import HEAD, TAIL, PlainSealer, Sealer, escape, must_seal, open_sealer, place

Rows = dict[tuple[Family, bytes], bytes]
_ASKED = (Family.JOURNAL, Family.STATES)
_OWNED = HEAD + b"S"  # then two bytes for the length of a subject, the subject, and what is sealed for it


def open_store(
    folder: str | Path, key: str | None = None, kind: str | None = None, read_only: bool = False
) -> SealedBackend:
    """The store in *folder*, sealed when there is a key: where *key* says (``find_master_key``), else in LOOM_KEY.

    Raises MissingKey for a sealed store without a key, WrongKey for another one, ConfigError for a key that cannot be
    used, and what ``open_backend`` raises.
    """
    master = find_master_key(key)
    backend = open_backend(folder, kind, read_only)
    try:
        return SealedBackend(backend, open_sealer(backend, master))
    except BaseException:
        backend.close()
        raise


class SealedBackend:
    """Seals what people said and agents made of it with *sealer* and keeps it in *backend*.

    Rows of a subject that was shredded are not there any more: ``get`` gives None, ``scan`` leaves them out. Data keys
    go into the write that needs them first.
    """

    __slots__ = ("_plain", "backend", "sealer")

    def __init__(self, backend: Backend, sealer: Sealer) -> None:
        self.backend = backend
        self.sealer = sealer
        self._plain = isinstance(sealer, PlainSealer)

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        """Keep all of *puts*, sealed, in order; return when they are on disk if *sync*."""
        along: Rows = {}
        if not self._plain:
            along = {(put[0], put[1]): put[2] for put in puts if put[2] is not None and put[0] in _ASKED}
        rows = [put if put[2] is None or put[0] not in SEALED else self._sealed(put, along) for put in puts]
        keys = self.sealer.pending_puts()
        self.backend.write([*rows, *keys], sync)
        if keys:
            self.sealer.landed(keys)

    def get(self, family: Family, key: bytes) -> bytes | None:
        """What is kept under *key*, or None; raises StoreCorrupt for what was not sealed for this place."""
        row = self.backend.get(family, key)
        if row is None or family not in SEALED:
            return row
        try:
            return self.opened(family, key, row)
        except Shredded:
            return None

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        """At most *limit* pairs with ``start <= key < end`` (no end: to the last), in order; less only at the end."""
        if family not in SEALED:
            return self.backend.scan(family, start, end, limit)
        found: list[tuple[bytes, bytes]] = []
        while len(found) < limit:
            wanted = limit - len(found)
            rows = self.backend.scan(family, start, end, wanted)
            found += self._readable(family, rows)
            if len(rows) < wanted:
                break
            start = rows[-1][0] + b"\0"
        return found

    def last(self, family: Family) -> bytes | None:
        """The greatest key of *family*, or None."""
        return self.backend.last(family)

    def count(self, family: Family) -> int:
        """How many keys *family* has, those that were shredded among them."""
        return self.backend.count(family)

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        """Take away every key with ``start <= key < end``."""
        self.backend.remove(family, start, end)

    def nbytes(self) -> int:
        """Bytes on disk, everything included."""
        return self.backend.nbytes()

    def checkpoint(self) -> None:
        """Fold the log of recent writes into the main file."""
        self.backend.checkpoint()

    def verify(self) -> Iterator[str]:
        """One line for each thing that is broken."""
        return self.backend.verify()

    def backup(self, folder: str) -> None:
        """Write a consistent copy into *folder*, sealed with the same keys, which it contains."""
        self.backend.backup(folder)

    def compact(self) -> None:
        """Give the space of what was taken away back to the file system."""
        self.backend.compact()

    def close(self) -> None:
        """Release files and locks."""
        self.backend.close()

    def subject(self, family: Family, key: bytes) -> str:
        """Whose data is kept under *key*, ``""`` for nobody's in particular and where nothing is."""
        row = self.backend.get(family, key)
        if row is None:
            return ""
        if row[:4] == _OWNED:
            return _parts(row)[0]
        return subject_of(family, key, row) or ""

    def opened(self, family: Family, key: bytes, row: bytes) -> bytes:
        """What a *row* of ``backend`` under *key* is; raises Shredded, MissingKey, StoreCorrupt."""
        if row[:3] != HEAD and row[-3:] != TAIL:
            return row
        if row[:4] != _OWNED:
            return self.sealer.open("", place(family, key), row)
        subject, value = _parts(row)
        if value[:3] != HEAD:
            raise StoreCorrupt(f"a sealed row of {family} is damaged: {key!r:.100}; run: loom store verify")
        return self.sealer.open(subject, place(family, key), value)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _sealed(self, put: Put, along: Rows) -> Put:
        family, key, row = put
        assert row is not None
        if self._plain:
            return put if row[:3] != HEAD and row[-3:] != TAIL else Put(family, key, escape(row))
        label, where = label_of(family, key, row), place(family, key)
        if not must_seal(label):
            return Put(family, key, self.sealer.seal("", label, where, row))
        subject = self._whose(family, key, row, along)
        name = subject.encode()
        value = self.sealer.seal(subject, label, where, row)
        return Put(family, key, b"".join((_OWNED, len(name).to_bytes(2, "big"), name, value)))

    def _readable(self, family: Family, rows: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for key, row in rows:
            try:
                yield key, self.opened(family, key, row)
            except Shredded:
                continue

    def _whose(self, family: Family, key: bytes, row: bytes, along: Rows) -> str:
        """Whose data a row is: it says so itself, or the row does that it came of."""
        subject = subject_of(family, key, row)
        asked = referred(family, key)
        if subject is not None or asked is None:
            return subject or ""
        if asked[0] is Family.IDS:
            number = self.backend.get(*asked)
            if number is None:
                return ""
            asked = Family.JOURNAL, number
        return (subject_of(*asked, along[asked]) or "") if asked in along else self.subject(*asked)


def _parts(row: bytes) -> tuple[str, bytes]:
    """The subject and the sealed value of an owned row."""
    end = 6 + int.from_bytes(row[4:6], "big")
    return row[6:end].decode("utf-8", "replace"), row[end:]
