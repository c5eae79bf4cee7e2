"""The composition root: build, start, drain, stop."""

from loom.runtime._model_making import local_model
from loom.runtime.loom import Loom

__all__ = ["Loom", "local_model"]
