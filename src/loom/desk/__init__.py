"""A desk: files that are dropped are read, filed and found again by agents, all of it on this machine."""

from loom.desk.answer import Hit
from loom.desk.clerk import Clerk
from loom.desk.private import Private
from loom.desk.reader import Reader, Seen
from loom.desk.shelf import Paper, Shelf
from loom.desk.topics import PRIVATE

__all__ = ["PRIVATE", "Clerk", "Hit", "Paper", "Private", "Reader", "Seen", "Shelf"]
