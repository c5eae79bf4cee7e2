"""The router: decides which model backend answers a request, asks it, and says why."""

from loom.router.facts import Facts, facts_of
from loom.router.pick import pick
from loom.router.policy import Policy
from loom.router.router import Router

__all__ = ["Facts", "Policy", "Router", "facts_of", "pick"]
