"""Vectors as bytes: a whole number from -127 to 127 for each dimension. Pure.

A step of a durable agent writes what changed in its state as JSON. A vector of 384 floats is 7 kB there; as bytes it is
384, kept as one blob for each file, and the cosine of two vectors moves by less than 0.03.
"""

from __future__ import annotations

from typing import Any

SCALE = 127.0


def pack(vectors: Any) -> bytes:
    """*vectors*, a Buffer or array (n, dimensions) or lists of numbers, as n * dimensions signed bytes."""
    import numpy as np

    from loom.event._codec_buffer import Buffer

    rows = np.asarray(vectors.numpy() if isinstance(vectors, Buffer) else vectors, dtype=np.float32)
    lengths = np.maximum(np.abs(rows).max(axis=-1, keepdims=True), 1e-9) if rows.size else 1.0
    packed: bytes = np.rint(rows / lengths * SCALE).astype(np.int8).tobytes()
    return packed


def cosines(question: bytes, passages: bytes) -> list[float]:
    """The cosine of a packed vector with each of those in *passages*, -1 to 1; 0 for a vector of zeros."""
    import numpy as np

    if not passages or not question:
        return []
    one = np.frombuffer(question, np.int8).astype(np.float32)
    rows = np.frombuffer(passages, np.int8).reshape(-1, one.size).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    found: list[float] = (rows @ one / np.maximum(lengths, 1e-9)).tolist()
    return found


def centrality(vectors: bytes, count: int) -> list[float]:
    """How near each of *count* packed vectors is to the middle of them all, as a cosine."""
    import numpy as np

    if not count or not vectors:
        return [0.0] * count
    rows = np.frombuffer(vectors, np.int8).reshape(count, -1).astype(np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    middle = rows.mean(axis=0)
    found: list[float] = (rows @ middle / max(float(np.linalg.norm(middle)), 1e-9)).tolist()
    return found
