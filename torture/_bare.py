"""The bare store under the power log: one script of writes, and what must be there after any number of them.

python -m torture._bare write BACKEND FOLDER SEED WRITES     acknowledges each synced write on descriptor 1
python -m torture._bare check BACKEND SEED WRITES            reads folders, answers with what each holds
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

BACKENDS = {
    "sqlite": ("loom.store.sqlite", "SqliteBackend"),
    "rocksdb": ("loom.store.rocksdb", "RocksDbBackend"),
}
FAMILIES = ("journal", "positions", "states", "causes", "effects")
Rows = list[tuple[str, bytes, bytes | None]]


def script(seed: int, writes: int) -> Iterator[tuple[Rows, bool, bool]]:
    """The writes: rows, whether synced, whether followed by a checkpoint."""
    chance = random.Random(seed)
    for number in range(1, writes + 1):
        rows: Rows = [("journal", number.to_bytes(8, "big"), b"%d" % number)]
        for _ in range(chance.randint(1, 8)):
            family = chance.choice(FAMILIES[1:])
            size = chance.choice((10, 200, 3000)) if family == "states" else 20
            value = None if chance.random() < 0.15 else chance.randbytes(size)
            rows.append((family, b"key-%d" % chance.randrange(40), value))
        if chance.random() < 0.1 and number > 30:
            rows.append(("journal", (number - 30).to_bytes(8, "big"), None))
        yield rows, chance.random() < 0.8, chance.random() < 0.05


def digest(held: dict[tuple[str, bytes], bytes]) -> str:
    """A store's content in a few letters."""
    digest = hashlib.sha256()
    for (family, key), value in sorted(held.items()):
        digest.update(b"%s\0%s\0%s\0" % (family.encode(), key, hashlib.sha256(value).digest()))
    return digest.hexdigest()[:16]


def expected(seed: int, writes: int) -> list[str]:
    """The digest after 0, 1, 2 ... writes."""
    held: dict[tuple[str, bytes], bytes] = {}
    found = [digest(held)]
    for rows, _, _ in script(seed, writes):
        for family, key, value in rows:
            if value is None:
                held.pop((family, key), None)
            else:
                held[family, key] = value
        found.append(digest(held))
    return found


def make(backend: str, folder: str) -> Any:
    """The backend called so, open in *folder*."""
    module, name = BACKENDS[backend]
    return getattr(import_module(module), name)(folder)


def write(backend: str, folder: str, seed: int, writes: int) -> None:
    from loom.store.backend import Put
    from loom.store.families import Family

    store = make(backend, folder)
    for number, (rows, sync, fold) in enumerate(script(seed, writes), 1):
        store.write([Put(Family(f), k, v) for f, k, v in rows], sync)
        if sync:
            os.write(1, b"%d\n" % number)
        if fold:
            store.checkpoint()
    store.close()


def check(backend: str) -> None:
    """Answer each folder's name on stdin with the digest of what it holds, or with the error it raises."""
    for line in sys.stdin:
        try:
            answer = {"digest": _look(backend, line.strip())}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def _look(backend: str, folder: str) -> str:
    from loom.store.families import Family

    store = make(backend, folder)
    try:
        broken = list(store.verify())
        if broken:
            raise ValueError(f"verify: {broken[:3]}")
        held = {(f, key): value for f in FAMILIES for key, value in store.scan(Family(f), limit=1_000_000)}
    finally:
        store.close()
    return digest(held)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        check(sys.argv[2])
