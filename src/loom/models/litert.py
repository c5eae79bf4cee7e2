"""Any .tflite model from a file, through LiteRT on the CPU. Runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._network import Tensor, methods, model_path
from loom.models._request import WorkerHost, number

if TYPE_CHECKING:
    from loom.models._network import Array

SPEC = "loom.models.litert:factory"
MAGIC = b"TFL3"  # after the four bytes of the root's offset


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """`infer`: arrays by name, both ways. `classify`: a picture or arrays to [{"label", "score"}], best first.

    Config: file; labels (a text file); size, scale, mean, std, layout of pictures; threads.
    """
    path = model_path(host.config, ".tflite")
    return methods(LiteNetwork(path, int(number(host.config, "threads", 1, 1, 256))), host.config)


class LiteNetwork:
    """A loaded model; raises ModelFailed naming the file, MissingExtra without LiteRT."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtra("litert", "ai-edge-litert") from None
        with open(path, "rb") as file:
            head = file.read(8)
        if head[4:8] != MAGIC:
            raise ModelFailed(f"{path} is no .tflite model; give another file")
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFailed(f"{path} cannot be loaded by LiteRT: {error}; it may be truncated") from None
        self._in = self._interpreter.get_input_details()
        self._out = self._interpreter.get_output_details()
        self.inputs: Sequence[Tensor] = [_tensor(each) for each in self._in]
        self.outputs: Sequence[Tensor] = [_tensor(each) for each in self._out]

    def run(self, feed: Mapping[str, Array]) -> Mapping[str, Array]:
        """The outputs by name; raises ModelFailed with what LiteRT says."""
        try:
            for each in self._in:
                if tuple(each["shape"]) != feed[each["name"]].shape:
                    self._interpreter.resize_tensor_input(each["index"], feed[each["name"]].shape)
            self._interpreter.allocate_tensors()
            for each in self._in:
                self._interpreter.set_tensor(each["index"], feed[each["name"]])
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelFailed(f"LiteRT refuses the input: {str(error)[:400]}") from None
        return {each["name"]: self._interpreter.get_tensor(each["index"]) for each in self._out}


def _tensor(details: Mapping[str, Any]) -> Tensor:
    signature = [int(each) for each in details.get("shape_signature", details["shape"])]
    shape = tuple(None if each < 0 else each for each in signature)
    return Tensor(details["name"], shape, details["dtype"].__name__)
