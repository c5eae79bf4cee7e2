"""What a GGUF file says about itself, read before llama.cpp sees it: a bad file must not take the process with it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from loom.errors import ModelFailed

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_PAIRS, MOST_TENSORS, MOST_ITEMS, MOST_TEXT = 10_000, 100_000, 4_000_000, 16 << 20
CONTROL = 3  # a token's type in tokenizer.ggml.token_type
STRING, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# Elements and bytes of a block, by ggml type; a tensor of another type is not measured.
BLOCKS = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    15: (256, 292),  # Q8_K
    30: (1, 2),  # BF16
}


@dataclass(frozen=True, slots=True)
class Gguf:
    """A model file: its architecture, the context it was trained for (tokens, 0: not said), its control tokens."""

    name: str
    architecture: str
    context: int
    controls: tuple[str, ...]
    chats: bool
    """Whether it brings a chat template."""


def read_gguf(path: str) -> Gguf:
    """The header of the file *path*; raises ModelFailed for what is missing, truncated or no model."""
    try:
        with open(path, "rb") as file:
            return _read(_Reader(file, os.fstat(file.fileno()).st_size), path)
    except OSError as error:
        raise ModelFailed(f"{path} cannot be read: {error.strerror}; name a .gguf file in `file`") from None
    except _Short:
        raise ModelFailed(f"{path} is truncated: it ends within its header; download it again") from None
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise ModelFailed(f"{path} is damaged: {error}; download it again") from None


class _Short(Exception):
    """The file ends here."""


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    def take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise _Short
        return data

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def count(self, most: int, what: str) -> int:
        value: int = self.number("Q")
        if value > most:
            raise ValueError(f"it says {value:,} {what}")
        return value

    def text(self) -> str:
        return self.take(self.count(MOST_TEXT, "characters in a word")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            return self._array()
        if kind not in NUMBERS:
            raise ValueError(f"it has a value of kind {kind}")
        return self.number(NUMBERS[kind])

    def _array(self) -> Any:
        kind, count = self.number("I"), self.count(MOST_ITEMS, "items in a list")
        if kind in NUMBERS:
            code = f"{count}{NUMBERS[kind]}"
            return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))
        if kind != STRING:
            raise ValueError(f"it has a list of kind {kind}")
        return [self.text() for _ in range(count)]

    def place(self) -> int:
        return self._file.tell()


def _read(reader: _Reader, path: str) -> Gguf:
    if reader.size < 24 or reader.take(4) != MAGIC:
        raise ModelFailed(f"{path} is no GGUF file ({reader.size:,} bytes); name a .gguf file in `file`")
    version = reader.number("I")
    if version not in VERSIONS:
        raise ModelFailed(
            f"{path} is GGUF version {version}; versions {VERSIONS[0]} and {VERSIONS[1]} are read"
        )
    tensors = reader.count(MOST_TENSORS, "tensors")
    pairs = reader.count(MOST_PAIRS, "settings")
    settings = {reader.text(): reader.value(reader.number("I")) for _ in range(pairs)}
    _check_size(reader, tensors, settings, path)
    architecture = str(settings.get("general.architecture", ""))
    words, kinds = settings.get("tokenizer.ggml.tokens", []), settings.get("tokenizer.ggml.token_type", [])
    if not architecture or not words or not tensors:
        raise ModelFailed(
            f"{path} holds no language model (no words or no weights); name another file in `file`"
        )
    return Gguf(
        str(settings.get("general.name", "") or os.path.basename(path)),
        architecture,
        int(settings.get(f"{architecture}.context_length", 0)),
        tuple(word for word, kind in zip(words, kinds, strict=False) if kind == CONTROL),
        bool(settings.get("tokenizer.chat_template")),
    )


def _check_size(reader: _Reader, tensors: int, settings: dict[str, Any], path: str) -> None:
    ends = list(_ends(reader, tensors))
    alignment = int(settings.get("general.alignment", 32)) or 32
    start = -(-reader.place() // alignment) * alignment
    needed = start + max(ends, default=0)
    if reader.size < needed:
        short = f"it has {reader.size:,} bytes and needs {needed:,}"
        raise ModelFailed(f"{path} is truncated: {short}; download it again")


def _ends(reader: _Reader, tensors: int) -> Iterator[int]:
    """Where each tensor ends, from the beginning of the data."""
    for _ in range(tensors):
        reader.text()
        dimensions = reader.number("I")
        if dimensions > 8:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= reader.number("Q")
        block = BLOCKS.get(reader.number("I"), (1, 0))
        yield reader.number("Q") + -(-elements // block[0]) * block[1]
