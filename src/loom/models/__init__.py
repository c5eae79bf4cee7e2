"""Models: what a backend is, and those that run in a worker process. Standard library; each runtime is a leaf."""

from loom.models.model import Model, ModelReply, ModelRequest
from loom.models.stream import Stream
from loom.models.worker_model import WorkerModel

__all__ = ["Model", "ModelReply", "ModelRequest", "Stream", "WorkerModel"]
