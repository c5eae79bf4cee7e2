"""The composition root: build, start, drain, stop."""

from typing import TYPE_CHECKING

from loom.runtime.loom import Loom

if TYPE_CHECKING:
    from loom.adapters.local_model import local_model

__all__ = ["Loom", "local_model"]


def __getattr__(name: str) -> object:
    if name != "local_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from loom.adapters import local_model  # models cost what they cost when somebody wants one

    return local_model.local_model
