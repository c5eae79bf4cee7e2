"""Any ONNX model from a file, through ONNX Runtime on the CPU. Runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loom.errors import ModelFailed
from loom.models._network import Tensor, methods, model_path
from loom.models._onnx_session import open_session
from loom.models._request import WorkerHost, number

if TYPE_CHECKING:
    from loom.models._network import Array

SPEC = "loom.models.onnx:factory"
KINDS = {"float": "float32", "double": "float64", "bool": "bool"}


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """`infer`: arrays by name, both ways. `classify`: a picture or arrays to [{"label", "score"}], best first.

    Config: file; labels (a text file); size, scale, mean, std, layout of pictures; threads.
    """
    return methods(OnnxNetwork(host.config), host.config)


class OnnxNetwork:
    """A loaded model; raises ModelFailed naming the file, MissingExtra without ONNX Runtime."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        path = model_path(config, ".onnx")
        self._session = open_session(path, int(number(config, "threads", 1, 1, 256)))
        self.inputs: Sequence[Tensor] = [_tensor(each) for each in self._session.get_inputs()]
        self.outputs: Sequence[Tensor] = [_tensor(each) for each in self._session.get_outputs()]
        if not self.inputs or not self.outputs:
            raise ModelFailed(f"{path} has no inputs or no outputs")

    def run(self, feed: Mapping[str, Array]) -> Mapping[str, Array]:
        """The outputs by name; raises ModelFailed with what ONNX Runtime says."""
        try:
            found = self._session.run(None, dict(feed))
        except Exception as error:  # noqa: BLE001 - its error classes are private
            if "bad_alloc" in str(error):
                raise ModelFailed(
                    "the input does not fit into the worker's memory; raise `memory_limit`"
                ) from None
            raise ModelFailed(f"ONNX Runtime refuses the input: {str(error)[:400]}") from None
        return {each.name: _plain(value) for each, value in zip(self.outputs, found, strict=True)}


def _tensor(node: Any) -> Tensor:
    kind = str(node.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(each if isinstance(each, int) and each >= 0 else None for each in node.shape)
    return Tensor(node.name, shape, KINDS.get(kind, kind))


def _plain(value: Any) -> Any:
    """Sequences of maps, which classifiers of scikit-learn give, with keys that are text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value
