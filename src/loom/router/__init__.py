"""The router: decides which model backend answers a request."""

from loom.router.router import Router, pick

__all__ = ["Router", "pick"]
