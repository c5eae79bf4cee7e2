"""A voice assistant as agents on topics: ear, scribe, turns, mind and mouth, each of which can be replaced."""

from loom.voice.ear import Ear
from loom.voice.home import Door, Inbox
from loom.voice.mind import Mind
from loom.voice.mouth import Mouth
from loom.voice.scribe import Scribe
from loom.voice.turns import Turns

__all__ = ["Door", "Ear", "Inbox", "Mind", "Mouth", "Scribe", "Turns"]
