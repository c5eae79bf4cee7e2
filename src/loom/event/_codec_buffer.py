"""Arrays by value: bytes with a dtype, a shape and, for signals, a rate. Standard library; NumPy on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from loom.errors import InvalidEvent, MissingExtra

if TYPE_CHECKING:
    import numpy as np

CONTENT_TYPE = "application/x-loom-buffer"
MAX_DIMENSIONS = 8
_FORMATS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
_SIZES = {name: int(re.sub(r"\D", "", name) or 8) // 8 for name in _FORMATS}
_KINDS = {"?": "bool", "e": "float", "f": "float", "d": "float"}


class Buffer:
    """An array in C order, little-endian: *data* bytes that mean *shape* numbers of *dtype*, *rate* rows a second.

    Use it as a payload for audio, frames and vectors. Raises InvalidEvent when data, dtype and shape disagree.
    """

    __slots__ = ("data", "dtype", "rate", "shape")

    def __init__(
        self,
        data: bytes | bytearray | memoryview,
        dtype: str = "uint8",
        shape: Sequence[int] | None = None,
        rate: float | None = None,
    ) -> None:
        flat = memoryview(data)
        if not flat.c_contiguous:
            flat = memoryview(flat.tobytes())
        self.data = flat if flat.format == "B" and flat.ndim == 1 else _flatten(flat)
        self.dtype = dtype
        self.shape = checked_shape(dtype, shape, self.data.nbytes)
        self.rate = rate
        if rate is not None and not (isfinite(rate) and rate > 0):
            raise InvalidEvent(f"buffer rate {rate!r} is not a positive number")

    @property
    def nbytes(self) -> int:
        """Size of the data in bytes."""
        return self.data.nbytes

    def view(self) -> memoryview:
        """The data as a memoryview of this dtype and shape, without a copy (bytes for float16 and empty arrays)."""
        if not self.data.nbytes or self.dtype == "float16":
            return self.data
        return self.data.cast(_FORMATS[self.dtype], self.shape)  # type: ignore[call-overload, no-any-return]

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as a NumPy array, without a copy; raises MissingExtra where NumPy is not installed."""
        try:
            import numpy as np
        except ImportError:
            raise MissingExtra("vision", "numpy") from None
        return np.frombuffer(self.data, dtype=self.dtype).reshape(self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Buffer):
            return NotImplemented
        return (self.dtype, self.shape, self.rate) == (other.dtype, other.shape, other.rate) and (
            self.data == other.data
        )

    __hash__ = None  # type: ignore[assignment]  # the data may be a view of something that changes

    def __repr__(self) -> str:
        rate = f", rate={self.rate:g}" if self.rate else ""
        return f"<Buffer {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}{rate}>"


def item_size(dtype: str) -> int:
    """Bytes of one number; raises InvalidEvent naming a dtype that is not known."""
    try:
        return _SIZES[dtype]
    except KeyError:
        raise InvalidEvent(f"buffer dtype {dtype!r} is not one of {', '.join(_FORMATS)}") from None


def checked_shape(dtype: str, shape: Sequence[int] | None, nbytes: int) -> tuple[int, ...]:
    """*shape* as a tuple if *nbytes* hold exactly that many numbers of *dtype*; one dimension for None."""
    size = item_size(dtype)
    result = (nbytes // size,) if shape is None else tuple(int(side) for side in shape)
    if len(result) > MAX_DIMENSIONS or any(side < 0 for side in result):
        raise InvalidEvent(f"buffer shape {result} must have at most {MAX_DIMENSIONS} sides, none negative")
    if prod(result) * size != nbytes:
        raise InvalidEvent(f"buffer of {nbytes} bytes does not hold shape {result} of {dtype}")
    return result


def as_buffer(value: object) -> Buffer | None:
    """*value* as a Buffer if it is an array of any library, None if it is not; raises InvalidEvent for odd dtypes."""
    if isinstance(value, Buffer):
        return value
    ready = getattr(value, "__loom_buffer__", None)  # a frame in shared memory, for example
    if ready is not None:
        made = ready()
        return made if isinstance(made, Buffer) else None
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    except ValueError as error:
        raise InvalidEvent(f"array of {type(value).__name__} has no buffer form: {error}") from None
    return Buffer(view, dtype_of(view), view.shape)


def dtype_of(view: memoryview) -> str:
    """Name of the dtype of *view*; raises InvalidEvent for formats that have none (big-endian, structures)."""
    code = view.format.lstrip("@=<")
    if code == "c":
        code = "B"
    name = _KINDS.get(code) or ("int" if code.islower() else "uint")
    dtype = name if name == "bool" else f"{name}{view.itemsize * 8}"
    if len(code) != 1 or code not in "?bBhHiIlLqQnNefd" or dtype not in _FORMATS:
        raise InvalidEvent(f"array format {view.format!r} is not one of {', '.join(_FORMATS)}")
    return dtype


def describe(buffer: Buffer) -> str:
    """The content type that *parse* turns back into dtype, shape and rate."""
    rate = "" if buffer.rate is None else f"; rate={buffer.rate!r}"
    return f"{CONTENT_TYPE}; dtype={buffer.dtype}; shape={','.join(map(str, buffer.shape))}{rate}"


def parse(content_type: str, data: bytes | memoryview) -> Buffer:
    """The Buffer that *content_type* says *data* is; raises InvalidEvent when it says nothing usable."""
    fields = parameters(content_type)
    try:
        text = fields.get("shape")
        shape = None if text is None else [int(side) for side in text.split(",") if side]
        rate = float(fields["rate"]) if "rate" in fields else None
    except ValueError as error:
        raise InvalidEvent(f"content type {content_type[:100]!r}: {error}") from None
    return Buffer(data, fields.get("dtype", "uint8"), shape, rate)


def parameters(content_type: str) -> dict[str, str]:
    """The `name=value` parts of a content type, names in lower case."""
    parts = (part.partition("=") for part in content_type.split(";")[1:])
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts if name.strip()}


def _flatten(view: memoryview) -> memoryview:
    if not view.nbytes:
        return memoryview(b"")
    return view.cast("B")
