"""An ONNX Runtime session on a model file, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loom.errors import MissingExtra, ModelFailed


def open_session(path: Path, threads: int = 1) -> Any:
    """A session on the CPU; raises MissingExtra, or ModelFailed naming *path* and what ONNX Runtime says."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtra("onnx", "onnxruntime") from None
    except ImportError as error:  # it is there and cannot be loaded, for want of memory for instance
        raise ModelFailed(
            f"ONNX Runtime cannot be loaded: {error}; does `memory_limit` leave it room?"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads cost nothing
    try:
        # by path, not by bytes: weights may stand in files beside it
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its error classes are private, and each means that the file is no model
        said = str(error).partition("\n")[0][:400]
        if "bad_alloc" in said:
            raise ModelFailed(
                f"{path} does not fit into the memory of its worker; raise `memory_limit`"
            ) from None
        raise ModelFailed(
            f"{path} is no model that ONNX Runtime can load: {said}; give another .onnx file"
        ) from None
