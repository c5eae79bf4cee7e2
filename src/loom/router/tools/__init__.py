"""Models that use tools: the loop, typed answers, and what of a conversation fits a budget of tokens."""

from loom.router.tools._answers import Shape, find_json, shape_of
from loom.router.tools._hands import Hands
from loom.router.tools._loop import run
from loom.router.tools._shapes import Unfit, plain
from loom.router.tools._tools import Capability, Tool, offered
from loom.router.tools._window import Window, fit
from loom.router.tools._wish import Wish, wish_of

__all__ = [
    "Capability", "Hands", "Shape", "Tool", "Unfit", "Window", "Wish", "find_json", "fit", "offered", "plain", "run",
    "shape_of", "wish_of",
]  # fmt: skip
