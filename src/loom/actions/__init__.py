"""What agents can do to the world: capabilities with a schema, a timeout, an idempotency key and an approval policy."""

from loom.actions.action import Action, Approval, action
from loom.actions.executor import Executor, Invocation
from loom.actions.registry import Registry

__all__ = ["Action", "Approval", "Executor", "Invocation", "Registry", "action"]
