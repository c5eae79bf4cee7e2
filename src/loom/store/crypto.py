"""Sealing with keys: AES-256-GCM, one data key a subject, each kept under the master key. A leaf on `cryptography`."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from threading import RLock
from typing import Any, NamedTuple

from loom.errors import MissingExtra, Shredded, StoreCorrupt, StoreError, WrongKey
from loom.event import Label
from loom.store._master_key import SIZE, MasterKey
from loom.store.backend import Backend, Put
from loom.store.families import Family, join, number, unnumber
from loom.store.sealing import CHECK, NONCE, TAG, Sealed, escape, must_seal, parse, sealed

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    raise MissingExtra("crypto", "cryptography") from None

__all__ = ["KeySealer", "Limits", "rotate", "shred", "subjects"]

# A row of KEYS: one byte for its kind; of a live key also how many seals it is reserved for, a nonce, the wrapped key.
LIVE, GONE = b"\x01", b"\x00"
_ROW = 1 + 8 + NONCE + SIZE + TAG


class Limits(NamedTuple):
    """``seals``: values under one data key (2**32 with random nonces, NIST SP 800-38D); ``reserve``: how many of them
    are written down at once, before they are made; ``cached``: data keys, and subjects, held in memory.
    """

    seals: int = 2**32
    reserve: int = 1024
    cached: int = 4096


DEFAULT = Limits()


class DataKey:
    """One key of one subject, and how often it was used."""

    __slots__ = ("_raw", "cipher", "digest", "number", "reserved", "uses")

    def __init__(self, raw: bytes, place: int, reserved: int) -> None:
        self._raw = raw
        self.number = place
        self.reserved = self.uses = reserved
        self.cipher = AESGCM(hmac.digest(raw, b"loom/1/seal\x01", "sha256"))
        self.digest = hmac.new(hmac.digest(raw, b"loom/1/digest\x01", "sha256"), digestmod="sha256")

    def wrapped(self, cipher: AESGCM, subject: str) -> bytes:
        """The row that keeps this key under the master key behind *cipher*."""
        head, nonce = LIVE + number(self.reserved), os.urandom(NONCE)
        return head + nonce + cipher.encrypt(nonce, self._raw, _bound(subject, self.number, head))

    @classmethod
    def unwrapped(cls, cipher: AESGCM, subject: str, place: int, row: bytes) -> DataKey:
        """The key in a *row*; raises StoreCorrupt when it is damaged, or the row of another key."""
        try:
            if len(row) != _ROW:
                raise InvalidTag
            raw = cipher.decrypt(row[9 : 9 + NONCE], row[9 + NONCE :], _bound(subject, place, row[:9]))
        except InvalidTag:
            raise StoreCorrupt(
                f"data key {place} of subject {subject!r} is damaged: what it sealed cannot be read without a backup; "
                "look closer with: loom store verify"
            ) from None
        return cls(raw, place, unnumber(row[1:]))


class Chain(NamedTuple):
    """The data keys of a subject: the number of the last one ever, and of the first and last that still live (or 0)."""

    newest: int = 0
    first: int = 0
    last: int = 0


class KeySealer:
    """Seals values of PRIVATE and LOCAL_ONLY labels with the data keys of a store, which it makes as they are needed.

    Raises WrongKey when the store was sealed under another master key, before anything else is read, and StoreCorrupt
    when that cannot be told. Thread-safe.
    """

    def __init__(self, backend: Backend, master: MasterKey, limits: Limits = DEFAULT) -> None:
        self._backend = backend
        self._limits = limits
        self._pending: dict[bytes, Put] = {}
        check = backend.get(Family.META, CHECK)
        if check is None:
            self._pending[CHECK] = Put(Family.META, CHECK, _check_of(master, os.urandom(16)))
        elif not _belongs(check, master):
            raise _wrong(master)
        self._master = AESGCM(master.derive(b"wrap"))
        self._chains: OrderedDict[str, Chain] = OrderedDict()
        self._keys: OrderedDict[tuple[str, int], DataKey] = OrderedDict()
        self._lock = RLock()

    def seal(self, subject: str, label: Label, aad: bytes, data: bytes) -> bytes:
        """What to keep for *data*; a new data key that it needs is among ``pending_puts`` from here on."""
        if not must_seal(label):
            return escape(data)
        with self._lock:
            key = self._next(subject)
            key.uses += 1
        nonce = os.urandom(NONCE)
        return sealed(
            Sealed(key.number, nonce, key.cipher.encrypt(nonce, data, _bound(subject, key.number, aad)))
        )

    def open(self, subject: str, aad: bytes, data: bytes) -> bytes:
        """The data of a kept value; raises Shredded when its key was destroyed, else StoreCorrupt if it cannot be."""
        value = parse(data)
        if isinstance(value, bytes):
            return value
        with self._lock:
            key = self._key(subject, value.key)
        try:
            return key.cipher.decrypt(value.nonce, value.body, _bound(subject, value.key, aad))
        except InvalidTag:
            raise StoreCorrupt(
                f"a value of subject {subject!r} does not open in its place ({_spot(aad)}): it was changed, or "
                "moved there; look closer with: loom store verify"
            ) from None

    def digest(self, subject: str, label: Label, data: bytes) -> bytes:
        """32 bytes that equal data of one subject share until it is shredded; keyed when the label is sealed."""
        if not must_seal(label):
            return hashlib.sha256(data).digest()
        with self._lock:
            chain = self._chain(subject)
            keyed = (self._key(subject, chain.first) if chain.first else self._next(subject)).digest.copy()
        keyed.update(data)
        return keyed.digest()

    def pending_puts(self) -> list[Put]:
        """The data keys that are not known to be on disk: they belong into every write until ``landed``."""
        with self._lock:
            own = [put for put in self._pending.values() if put.family is Family.KEYS]
            return list(self._pending.values()) if own else []

    def landed(self, puts: Sequence[Put]) -> None:
        """Say that a write with these *puts* is on disk; what was changed again since still waits."""
        with self._lock:
            for put in puts:
                if self._pending.get(put.key) == put:
                    del self._pending[put.key]

    def shred(self, subject: str) -> int:
        """Put a tombstone in the place of each data key of *subject* and return how many there were.

        The tombstones are among ``pending_puts``. From here on what was sealed opens as Shredded; what is sealed from
        now on has a new key. Values of other labels are not touched.
        """
        with self._lock:
            live = [name for name, row in self._rows(subject) if row != GONE]
            for name in live:
                self._pending[name] = Put(Family.KEYS, name, GONE)
                self._keys.pop((subject, unnumber(name[-8:])), None)
            self._chains.pop(subject, None)
            return len(live)

    def rotate_data_keys(self, subject: str) -> None:
        """Seal what comes from now on with a new data key; what was sealed before stays readable."""
        with self._lock:
            self._new(subject, self._chain(subject))

    def verify(self) -> Iterator[str]:
        """One line for each data key that cannot be used."""
        for name, row in _all_keys(self._backend):
            try:
                if row != GONE:
                    DataKey.unwrapped(self._master, *_named(name), row)
            except StoreCorrupt as error:
                yield str(error)

    def _next(self, subject: str) -> DataKey:
        """The key for the next seal of *subject*, which is written down as used before it is."""
        chain = self._chain(subject)
        key = self._key(subject, chain.last) if chain.last else self._new(subject, chain)
        if key.uses >= self._limits.seals:
            key = self._new(subject, chain)
        if key.uses >= key.reserved:
            self._reserve(subject, key)
        return key

    def _new(self, subject: str, chain: Chain) -> DataKey:
        key = DataKey(os.urandom(SIZE), chain.newest + 1, 0)
        self._reserve(subject, key)
        chain = Chain(key.number, chain.first or key.number, key.number)
        _remember(self._chains, subject, chain, self._limits.cached)
        _remember(self._keys, (subject, key.number), key, self._limits.cached)
        return key

    def _reserve(self, subject: str, key: DataKey) -> None:
        key.reserved = min(key.uses + self._limits.reserve, self._limits.seals)
        name = _name(subject, key.number)
        self._pending[name] = Put(Family.KEYS, name, key.wrapped(self._master, subject))

    def _key(self, subject: str, place: int) -> DataKey:
        key = self._keys.get((subject, place))
        if key is not None:
            self._keys.move_to_end((subject, place))
            return key
        key = self._unwrapped(subject, place)
        _remember(self._keys, (subject, place), key, self._limits.cached)
        return key

    def _unwrapped(self, subject: str, place: int) -> DataKey:
        name = _name(subject, place)
        row = self._pending[name].value if name in self._pending else self._backend.get(Family.KEYS, name)
        if row is None:
            raise StoreCorrupt(
                f"there is no data key {place} of subject {subject!r}: the value is another subject's, or the key was "
                "lost; look closer with: loom store verify"
            )
        if row == GONE:
            raise Shredded(
                f"the data of subject {subject!r} was shredded: its key {place} was destroyed on purpose"
            )
        return DataKey.unwrapped(self._master, subject, place, row)

    def _chain(self, subject: str) -> Chain:
        chain = self._chains.get(subject)
        if chain is None:
            numbers = [(unnumber(name[-8:]), row != GONE) for name, row in self._rows(subject)]
            live = [place for place, lives in numbers if lives]
            chain = Chain(numbers[-1][0], *(live[0], live[-1]) if live else (0, 0)) if numbers else Chain()
            _remember(self._chains, subject, chain, self._limits.cached)
        self._chains.move_to_end(subject)
        return chain

    def _rows(self, subject: str) -> list[tuple[bytes, bytes]]:
        """The keys of *subject* in order, as they will be on disk."""
        start, end = _name(subject, 0), _name(subject, 2**63)
        rows = dict(_scan(self._backend, start, end))
        rows.update(
            (n, p.value) for n, p in self._pending.items() if start <= n < end and p.value is not None
        )
        return sorted(rows.items())


def rotate(backend: Backend, old: MasterKey, new: MasterKey) -> int | None:
    """Keep every data key of a store under *new*, in one write; returns how many there are (None: nothing was to do).

    Nobody else may have the store open. Whatever happens, afterwards the store opens with *old* or with *new*: when it
    already opens with *new*, nothing is done. Raises WrongKey when it opens with neither.
    """
    check = backend.get(Family.META, CHECK)
    if check is None or _belongs(check, new):
        return None
    if not _belongs(check, old):
        raise _wrong(old)
    before, after = AESGCM(old.derive(b"wrap")), AESGCM(new.derive(b"wrap"))
    puts = []
    for name, row in _all_keys(backend):
        if row != GONE:
            key = DataKey.unwrapped(before, *_named(name), row)
            puts.append(Put(Family.KEYS, name, key.wrapped(after, _named(name)[0])))
    backend.write([*puts, Put(Family.META, CHECK, _check_of(new, os.urandom(16)))])
    return len(puts)


def subjects(backend: Backend) -> tuple[Counter[str], set[str]]:
    """How many live data keys each subject of a store has, and the subjects that were shredded at some time."""
    live: Counter[str] = Counter()
    gone: set[str] = set()
    for name, row in _all_keys(backend):
        subject = _named(name)[0]
        if row == GONE:
            gone.add(subject)
        else:
            live[subject] += 1
    return live, gone


def shred(backend: Backend, sealer: KeySealer, subject: str) -> int:
    """Destroy the data keys of *subject* on the disk too, with what is left of them in logs and free pages.

    Returns how many there were. In the writer's thread; takes as long as ``backend.compact()``.
    """
    number_of_keys = sealer.shred(subject)
    puts = sealer.pending_puts()
    if puts:
        backend.write(puts)
        sealer.landed(puts)
        backend.checkpoint()
        backend.compact()
        backend.checkpoint()
    return number_of_keys


def _check_of(master: MasterKey, salt: bytes) -> bytes:
    return salt + master.derive(b"check" + salt)


def _belongs(check: bytes, master: MasterKey) -> bool:
    """Whether a store with this *check* was sealed under *master*."""
    if len(check) != 16 + SIZE:
        raise StoreCorrupt("the check of the store's key is damaged; restore the store from a backup")
    return hmac.compare_digest(check, _check_of(master, check[:16]))


def _wrong(master: MasterKey) -> WrongKey:
    return WrongKey(
        f"the key from {master.origin} is not the key of this store; nothing was read or written. "
        "Give the key it was sealed with; without it what is sealed is lost"
    )


def _bound(subject: str, place: int, more: bytes) -> bytes:
    """What a seal is bound to beside its data: whose it is, which key, where it is kept."""
    name = subject.encode()
    return b"".join((number(len(name)), name, number(place), more))


def _spot(aad: bytes) -> str:
    family, _, key = aad.partition(b"\0")
    return f"{family.decode('utf-8', 'replace')}, key {key[:100]!r}"


def _name(subject: str, place: int) -> bytes:
    """The key in KEYS of a data key; raises StoreError for a subject that is no plain text."""
    try:
        if "\0" not in subject:
            return join(subject, place.to_bytes(8, "big"))
    except UnicodeEncodeError:
        pass
    raise StoreError(
        f"subject {subject!r} cannot be kept: it is a name without zero bytes or lone surrogates"
    )


def _named(name: bytes) -> tuple[str, int]:
    return name[:-9].decode("utf-8", "replace"), unnumber(name[-8:])


def _all_keys(backend: Backend) -> Iterator[tuple[bytes, bytes]]:
    yield from _scan(backend, b"", None)


def _scan(backend: Backend, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    while rows := backend.scan(Family.KEYS, start, end):
        yield from rows
        start = rows[-1][0] + b"\0"


def _remember(cache: OrderedDict[Any, Any], name: object, value: object, most: int) -> None:
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > most:
        cache.popitem(last=False)
