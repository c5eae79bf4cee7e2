"""The composition root: build, start, drain, stop."""

from loom.runtime.loom import Loom

__all__ = ["Loom"]
