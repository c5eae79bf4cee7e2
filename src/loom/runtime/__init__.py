"""The composition root: build, start, drain, stop."""

from typing import TYPE_CHECKING

from loom.runtime.loom import Loom

if TYPE_CHECKING:
    from loom.runtime._model_making import local_model

__all__ = ["Loom", "local_model"]


def __getattr__(name: str) -> object:
    if name != "local_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from loom.runtime import _model_making  # models cost what they cost when somebody wants one

    return _model_making.local_model
