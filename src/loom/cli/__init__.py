"""The command `loom`: what people type. Importing it loads the standard library only."""

from loom.cli.main import main

__all__ = ["main"]
