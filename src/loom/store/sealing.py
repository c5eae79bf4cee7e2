"""The Sealer protocol: what is private leaves for the disk unreadable; and the sealer that has no key.

A value in a store is one of three: as it is (nearly every plain one), plain in a frame (a plain one that looks like a
frame), or sealed in a frame. A frame says so at both ends, so that no single damaged byte makes a sealed value pass
for a plain one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from loom.errors import MissingKey, StoreCorrupt
from loom.event import Confidentiality, Label
from loom.store._master_key import MasterKey
from loom.store.backend import Backend, Put
from loom.store.families import Family, number, unnumber

CHECK = b"crypto.check"
"""The name in META under which a store says which master key it belongs to."""

HEAD, TAIL = b"\xf5L\xc1", b"\xc1L\xf5"  # no UTF-8 text begins or ends so
PLAIN, SEALED = b"\x00", b"\x01"
NONCE, TAG = 12, 16
_ENDS = len(HEAD) + len(TAIL) + 2  # and the kind, at both ends
_LEAST = _ENDS + 8 + NONCE + TAG


class Sealer(Protocol):
    """Makes bytes of PRIVATE and LOCAL_ONLY labels unreadable on the disk and readable again; others pass through.

    *subject* is whose data it is, ``""`` for nobody in particular. *aad* is the place a value is kept at
    (``place(family, key)``): at another one it does not open. Any thread may call any method.
    """

    def seal(self, subject: str, label: Label, aad: bytes, data: bytes) -> bytes:
        """What to keep for *data*; a new data key that it needs is among ``pending_puts`` from here on."""
        ...

    def open(self, subject: str, aad: bytes, data: bytes) -> bytes:
        """The data of a kept value.

        Raises Shredded when its key was destroyed, MissingKey without a key, StoreCorrupt for everything that was not
        sealed with this subject, for this place.
        """
        ...

    def digest(self, subject: str, label: Label, data: bytes) -> bytes:
        """32 bytes that equal data of one subject share; for sealed data nobody without the key can compute them."""
        ...

    def pending_puts(self) -> list[Put]:
        """The data keys that are not known to be on disk: they belong into every write until ``landed``."""
        ...

    def landed(self, puts: Sequence[Put]) -> None:
        """Say that a write with these *puts* is on disk; those of other families are passed over."""
        ...


class PlainSealer:
    """Keeps everything in the clear: the sealer of a store without a key."""

    __slots__ = ()

    def seal(self, subject: str, label: Label, aad: bytes, data: bytes) -> bytes:
        """*data*, in a frame if it looks like one."""
        return escape(data)

    def open(self, subject: str, aad: bytes, data: bytes) -> bytes:
        """The data of a plain value; raises MissingKey for a sealed one and StoreCorrupt for a damaged frame."""
        value = parse(data)
        if isinstance(value, Sealed):
            raise missing_key("a value in it")
        return value

    def digest(self, subject: str, label: Label, data: bytes) -> bytes:
        """The SHA-256 of *data*."""
        return hashlib.sha256(data).digest()

    def pending_puts(self) -> list[Put]:
        """Nothing."""
        return []

    def landed(self, puts: Sequence[Put]) -> None:
        """Nothing waits."""


class Sealed(NamedTuple):
    """The parts of a sealed value; ``body`` is ciphertext and tag."""

    key: int
    nonce: bytes
    body: bytes


def open_sealer(backend: Backend, master: MasterKey | None) -> Sealer:
    """The sealer of the store *backend*: nothing is read through it, or written, before the key has been checked.

    Raises MissingKey when the store was sealed and *master* is None, WrongKey when it was sealed with another key,
    MissingExtra when there is a key and `cryptography` is not installed, StoreCorrupt when the check is damaged.
    """
    if master is None:
        if backend.get(Family.META, CHECK) is not None:
            raise missing_key("this store")
        return PlainSealer()
    from loom.store.crypto import KeySealer

    return KeySealer(backend, master)


def must_seal(label: Label) -> bool:
    """Whether data of *label* is unreadable on disk when there is a key: private and local-only data is."""
    return label.confidentiality >= Confidentiality.PRIVATE


def place(family: Family, key: bytes) -> bytes:
    """The place a value is kept at, as *aad* for a Sealer."""
    return family.encode() + b"\0" + key


def missing_key(what: str) -> MissingKey:
    """The error that *what* is sealed and there is no key."""
    return MissingKey(
        f"{what} is sealed and no key is given; set LOOM_KEY, or say where the key is: key= beside data=, or --unlock "
        "on the command line"
    )


def escape(data: bytes) -> bytes:
    """*data* as a plain value: itself, in a frame if it looks like one."""
    if data[:3] == HEAD or data[-3:] == TAIL:
        return HEAD + PLAIN + data + PLAIN + TAIL
    return data


def sealed(value: Sealed) -> bytes:
    """The frame of a sealed value, which *parse* takes apart."""
    return b"".join((HEAD, SEALED, number(value.key), value.nonce, value.body, SEALED, TAIL))


def parse(value: bytes) -> bytes | Sealed:
    """The data of a plain value, or the parts of a sealed one; raises StoreCorrupt for a damaged frame."""
    head, tail = value[:3] == HEAD, value[-3:] == TAIL
    if not head and not tail:
        return value
    kind = value[3:4]
    if not (head and tail) or len(value) < _ENDS or kind != value[-4:-3]:
        raise _damaged("its ends do not belong together", value)
    if kind == PLAIN:
        return value[4:-4]
    if kind != SEALED:
        raise _damaged(f"this Loom does not know form {kind[0]}", value)
    if len(value) < _LEAST:
        raise _damaged("it is cut short", value)
    return Sealed(unnumber(value[4:12]), value[12 : 12 + NONCE], value[12 + NONCE : -4])


def _damaged(why: str, value: bytes) -> StoreCorrupt:
    return StoreCorrupt(
        f"a sealed value of {len(value):,} bytes is damaged: {why}; look closer with: loom store verify"
    )
