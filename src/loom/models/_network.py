"""Any network with named inputs and outputs as a backend: arrays by name, or a picture with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loom.errors import ModelFailed
from loom.event._codec_buffer import as_buffer
from loom.models._picture import rgb_image
from loom.models._request import Asked, check, number

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_SIDE = 4096
MOST_LABELS, LONGEST_LABELS = 100_000, 8 << 20


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: None in *shape* is any length, *dtype* is NumPy's name."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        shape = ", ".join("any" if each is None else str(each) for each in self.shape)
        return f"{self.name}: {self.dtype} ({shape})"


class Network(Protocol):
    """A loaded network."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def run(self, feed: Mapping[str, Array]) -> Mapping[str, Array]: ...


@dataclass(frozen=True, slots=True)
class Looks:
    """How a picture becomes an input: (value / scale - mean) / std for each colour.

    *size* is (width, height), None for the network's own; *layout* "NCHW", "NHWC" or "" for what its shape says.
    """

    size: tuple[int, int] | None = None
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: str = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Looks:
        """The settings size, scale, mean, std and layout; raises ModelFailed naming the one that makes no sense."""
        size, layout = config.get("size"), config.get("layout", "")
        if layout not in ("", "NCHW", "NHWC"):
            raise ModelFailed(f'layout is "NCHW" or "NHWC", not {str(layout)[:40]!r}')
        if size is not None and not _is_size(size):
            raise ModelFailed(f"size is [width, height] in pixels, at most {MOST_SIDE}, not {str(size)[:40]}")
        std = _colours(config, "std", 1.0)
        if 0 in std:
            raise ModelFailed("std has a zero in it")
        scale = number(config, "scale", 255.0, 1e-6, 1e6)
        return cls(tuple(size) if size else None, scale, _colours(config, "mean", 0.0), std, layout)

    def tensor(self, picture: object, wanted: Tensor) -> Array:
        """*picture* as the input *wanted*; raises ModelFailed when that takes no pictures."""
        import numpy as np
        from PIL import Image

        if len(wanted.shape) != 4:
            raise ModelFailed(f"the network takes no picture but {wanted}; give arrays by name to `infer`")
        layout = self.layout or ("NCHW" if wanted.shape[1] in (1, 3) else "NHWC")
        height, width = wanted.shape[2:] if layout == "NCHW" else wanted.shape[1:3]
        size = self.size or (width, height)
        if None in size:
            raise ModelFailed(
                f"the network takes pictures of any size ({wanted}); set `size` = [width, height]"
            )
        image = rgb_image(picture).resize(size, Image.Resampling.BILINEAR)
        grey = wanted.shape[1 if layout == "NCHW" else 3] == 1
        pixels = np.asarray(image.convert("L"))[:, :, None] if grey else np.asarray(image)
        if wanted.dtype == "uint8" and (self.mean, self.std) == ((0.0,), (1.0,)):
            values = pixels
        else:
            values = ((pixels / self.scale - np.array(self.mean)) / np.array(self.std)).astype(wanted.dtype)
        return np.ascontiguousarray((values.transpose(2, 0, 1) if layout == "NCHW" else values)[None])


def methods(network: Network, config: Mapping[str, Any]) -> Mapping[str, Callable[[Any, object], object]]:
    """The worker's methods.

    `infer`: {name: array} (or one array for the only input, or a picture) to {name: array}. `classify`: a picture or
    arrays to [{"label", "score"}] best first, option top (5); labels are the lines of the file `labels`, or numbers.
    """
    looks, labels = Looks.from_config(config), read_labels(config.get("labels"))

    def run(body: Any, call: object) -> tuple[Asked, Mapping[str, Array]]:
        asked = Asked.from_body(body)
        feed = feed_of(asked.input, network.inputs, looks)
        check(call)
        return asked, network.run(feed)

    def infer(body: Any, call: object) -> object:
        return dict(run(body, call)[1])

    def classify(body: Any, call: object) -> object:
        asked, found = run(body, call)
        top = int(number(asked.options, "top", 5, 1, 1000))
        return best_labels(found[network.outputs[0].name], labels, top)

    return {"infer": infer, "classify": classify}


def feed_of(input: object, wanted: Sequence[Tensor], looks: Looks) -> dict[str, Array]:
    """The arrays that the network is given; raises ModelFailed naming the inputs that it takes."""
    takes = "; ".join(map(str, wanted))
    if not isinstance(input, Mapping):
        if len(wanted) != 1:
            raise ModelFailed(f"the network takes {len(wanted)} arrays by name: {takes}")
        given = as_buffer(input)
        picture = given is not None and given.dtype == "uint8" and len(given.shape) in (2, 3)
        if picture and len(wanted[0].shape) == 4:
            return {wanted[0].name: looks.tensor(input, wanted[0])}
        input = {wanted[0].name: input}
    if set(input) != {each.name for each in wanted}:
        raise ModelFailed(
            f"given are {', '.join(map(str, sorted(input, key=str)))[:200]}; the network takes {takes}"
        )
    return {each.name: _array(input[each.name], each) for each in wanted}


def best_labels(output: Array, labels: Sequence[str], top: int) -> list[dict[str, Any]]:
    """The *top* labels of *output*, a row of probabilities or of logits, which become probabilities."""
    import numpy as np

    scores = output.reshape(-1).astype(np.float64)
    if not scores.size or not np.isfinite(scores).all():
        raise ModelFailed("the network's first output has no finite scores; use `infer` for its arrays")
    if labels and len(labels) != scores.size:
        raise ModelFailed(f"the network has {scores.size} scores, the file in `labels` {len(labels)} lines")
    if scores.min() < 0 or not 0.98 < scores.sum() < 1.02:
        scores = np.exp(scores - scores.max())
        scores /= scores.sum()
    order = np.argsort(-scores, kind="stable")[:top]
    return [{"label": labels[i] if labels else str(i), "score": round(float(scores[i]), 4)} for i in order]


def read_labels(path: object) -> tuple[str, ...]:
    """The lines of the file *path*, () for None; raises ModelFailed naming it."""
    if path is None:
        return ()
    try:
        with open(str(path), encoding="utf-8") as file:
            lines = file.read(LONGEST_LABELS + 1).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFailed(
            f"{path} cannot be read: {error}; `labels` is a text file, one label a line"
        ) from None
    if not lines or len(lines) > MOST_LABELS:
        raise ModelFailed(f"{path} has {len(lines):,} lines; `labels` is a text file, one label a line")
    return tuple(lines)


def model_path(config: Mapping[str, Any], ending: str) -> Path:
    """The file of the setting `file`; raises ModelFailed when there is none."""
    given = config.get("file")
    if not isinstance(given, str) or not given:
        raise ModelFailed(f"set `file` to the path of a {ending} model")
    path = Path(given).expanduser()
    if not path.is_file():
        raise ModelFailed(f"{path} is no file; set `file` to the path of a {ending} model")
    return path


def _array(value: object, wanted: Tensor) -> Array:
    import numpy as np

    buffer = as_buffer(value)
    if buffer is None and isinstance(value, int | float | list) and not isinstance(value, bool):
        try:
            made = np.array(value, dtype=wanted.dtype)
        except (ValueError, TypeError, OverflowError):
            raise ModelFailed(f"the network takes {wanted}, not {type(value).__name__}") from None
    elif buffer is not None and buffer.dtype == wanted.dtype:
        made = buffer.numpy()
    else:
        what = f"{buffer.dtype} {buffer.shape}" if buffer else type(value).__name__
        raise ModelFailed(f"the network takes {wanted}, not {what}")
    alike = len(made.shape) == len(wanted.shape)
    if not alike or any(w not in (None, g) for g, w in zip(made.shape, wanted.shape, strict=True)):
        raise ModelFailed(f"the network takes {wanted}, not the shape {made.shape}")
    return made


def _is_size(value: object) -> bool:
    good = isinstance(value, list) and len(value) == 2
    return good and all(type(each) is int and 0 < each <= MOST_SIDE for each in value)  # type: ignore[attr-defined]


def _colours(config: Mapping[str, Any], name: str, default: float) -> tuple[float, ...]:
    value = config.get(name, default)
    values = value if isinstance(value, list) else [value]
    plain = all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
    if len(values) not in (1, 3) or not plain:
        raise ModelFailed(f"{name} is a number, or three of them, not {str(value)[:40]}")
    return tuple(float(each) for each in values)
