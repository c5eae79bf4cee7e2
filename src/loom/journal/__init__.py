"""The journal: durable topics, group commit, durable subscriptions."""

from loom.journal.committer import Commit, Committer
from loom.journal.cursor import Cursor
from loom.journal.journal import Journal
from loom.journal.queue import DurableQueue
from loom.journal.row import decode_event, encode_event
from loom.journal.rules import Rules

__all__ = [
    "Commit",
    "Committer",
    "Cursor",
    "DurableQueue",
    "Journal",
    "Rules",
    "decode_event",
    "encode_event",
]
