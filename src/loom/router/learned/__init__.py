"""Learns what to expect of each backend for a request: ``Router(learner=Learner())``."""

from __future__ import annotations

from loom.router.learned.difficulty import need
from loom.router.learned.features import Features, features_of, text_of
from loom.router.learned.learner import Expected, Learner, Settings

__all__ = ["Expected", "Features", "Learner", "Settings", "features_of", "need", "text_of"]
