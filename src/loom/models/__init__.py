"""Models: what a backend is, and those that run in a worker process. Standard library; each runtime is a leaf."""

from loom.models.decision import Decision, Manner, Route, Verdict
from loom.models.model import Model, ModelReply, ModelRequest
from loom.models.price import FREE, Price, Usage
from loom.models.stream import Stream
from loom.models.worker_model import WorkerModel

__all__ = [
    "FREE", "Decision", "Manner", "Model", "ModelReply", "ModelRequest", "Price", "Route", "Stream", "Usage", "Verdict",
    "WorkerModel",
]  # fmt: skip
