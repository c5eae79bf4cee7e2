"""The vault: JSON with its large leaves kept once, by what they hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.store._squeeze import squeeze, unsqueeze
from loom.store.backend import Backend, Put
from loom.store.families import Family, join
from loom.store.leaves import THRESHOLD, maybe_split, maybe_unite
from loom.store.sealing import PlainSealer, Sealer, must_seal
from loom.store.text import dump, load

_REMEMBERED = 4096  # large leaves known to be on disk
Whose = tuple[str, Label]
"""A subject and a label: what is equal is kept once within both."""


def subject_of(event: Event) -> str:
    """Whose data an event is: what its metadata says under ``subject``, ``""`` for nobody in particular."""
    return "" if event._metadata is None else event._metadata.get("subject", "")


def read_label(kept: Any) -> Label:
    """The label of a kept pair of numbers; PUBLIC for None."""
    return PUBLIC if kept is None else Label(Confidentiality(kept[0]), bool(kept[1]))


def label_text(label: Label) -> str:
    """The JSON that ``read_label`` reads again."""
    return "[0,0]" if label is PUBLIC else dump([int(label[0]), int(label[1])])


class Vault:
    """Writes and reads JSON-able values of one store; their large texts and bytes are kept once, per subject and label.

    Where the store has a sealer, nobody without its key can tell what a private leaf is by where it is kept.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        sealer: Sealer | None = getattr(backend, "sealer", None)
        self._sealer = None if sealer is None or type(sealer) is PlainSealer else sealer
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def pack(self, whose: Whose, value: Any, puts: list[Put]) -> bytes:
        """The bytes to keep for *value*; its large leaves are among *puts*."""
        text = dump(value)
        if len(text) < THRESHOLD and '$leaf"' not in text:
            return text.encode()
        smaller, leaves = maybe_split(text, value)
        if leaves:
            puts += self.shelve(whose, leaves)
        if smaller is not value:
            text = dump(smaller)
        return text.encode()

    def unpack(self, whose: Whose, data: bytes) -> Any:
        """The value of what ``pack`` made; raises StoreCorrupt, Shredded, MissingKey, ValueError."""
        return maybe_unite(data, load(data), self.loader(whose))

    def shelve(self, whose: Whose, leaves: dict[bytes, bytes]) -> list[Put]:
        """What keeps *leaves* (by digest) that are not known to be kept already."""
        puts = []
        for digest, data in leaves.items():
            key = self._key(whose, digest)
            if key in self._known:
                self._known.move_to_end(key)
                continue
            self._known[key] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            puts.append(Put(Family.BLOBS, key, squeeze(data)))
        return puts

    def loader(self, whose: Whose) -> Callable[[bytes], bytes | None]:
        """A function from the digest of a leaf to its bytes; None for one that is not there."""

        def fetch(digest: bytes) -> bytes | None:
            kept = self._backend.get(Family.BLOBS, self._key(whose, digest))
            return None if kept is None else unsqueeze(kept)

        return fetch

    def forget(self) -> None:
        """Take no leaf for kept any more: a write failed, or leaves were swept."""
        self._known.clear()

    def _key(self, whose: Whose, digest: bytes) -> bytes:
        subject, label = whose
        if self._sealer is not None and must_seal(label):
            digest = self._sealer.digest(subject, label, digest)[:16]
        return join(subject, str(label), digest)
