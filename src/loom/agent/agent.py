"""The Agent: one event at a time, persistent state in annotated fields, a context for everything else."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from loom.agent._handlers import MARK, Handler, compile_handler, count_arguments, handlers_of
from loom.agent._state import Snapshot, ephemeral_defaults, fields_of
from loom.agent._supervision import Restart, Retry
from loom.errors import ConfigError, SignatureError, StateError

if TYPE_CHECKING:
    from loom.agent._state_codec import StateCodec
    from loom.agent.context import Context
    from loom.event import Event

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


class Agent:
    """Subclass it, annotate the state, mark handlers with ``@on``, ``@every`` and ``@at``, and ``loom.add`` the class.

    Annotated fields with a default are the persistent state; names that begin with an underscore are ephemeral; no
    others are allowed. Class keywords: ``name``, ``window`` (how many recent events ``ctx.recent`` holds, 0 unless
    said), ``retry`` and ``restart`` policies, ``outbox`` (events it may have waiting for room elsewhere), ``version``
    of its state (1 unless said; see ``migrate``), ``key`` (where an event says whose it is, as ``"metadata.room"``:
    there is then one instance for each key) and ``awake`` (how many of those may be in memory, 1000 unless said).
    """

    _spec: ClassVar[AgentSpec | None] = None
    _options: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__()
        unknown = options.keys() - {"name", "window", "retry", "restart", "outbox", "version", "key", "awake"}
        if unknown:
            raise ConfigError(
                f"class {cls.__qualname__}: no agent option {min(unknown)!r}; "
                "use name, window, retry, restart, outbox, version, key or awake"
            )
        cls._options = {**cls._options, **options}
        cls._spec = None

    def __init__(self, **fields: Any) -> None:
        """Make an agent whose state begins with *fields* instead of the defaults; raises StateError for a wrong one."""
        spec = spec_of(type(self))
        snapshot = spec.snapshot
        unknown = fields.keys() - snapshot.names
        if unknown:
            raise StateError(f"{type(self).__qualname__} has no state field {min(unknown)!r}")
        for field in snapshot.fields:
            self.__dict__[field.name] = (
                field.copier(fields[field.name]) if field.name in fields else field.initial()
            )
        for name, container in spec.ephemeral.items():
            self.__dict__[name] = copy.copy(container)

    @classmethod
    def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
        """Called with what a store kept when this class had another *version*; returns it in the form of now.

        *state* is a copy in kept form: JSON, where for example a set is ``{"$set": [...]}``. Raise to refuse. It runs
        before the first event, its result is kept with the next commit, and it may run again after a crash before that.
        """
        raise NotImplementedError

    async def on_start(self, ctx: Context) -> None:
        """Called before the first event, and again after a restart, with the committed state in place."""

    async def on_stop(self, ctx: Context) -> None:
        """Called when the runtime drains or the agent is about to restart."""

    async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
        """Called when *event* is given up after its last attempt; a step of its own."""


class AgentSpec:
    """A compiled agent class or function; ``hooks`` says which of them it has and how many arguments each takes."""

    __slots__ = (
        "_codec",
        "awake",
        "cls",
        "ephemeral",
        "handlers",
        "hooks",
        "key",
        "name",
        "outbox",
        "restart",
        "retry",
        "snapshot",
        "version",
        "window",
    )

    def __init__(
        self, cls: type[Agent], name: str, handlers: tuple[Handler, ...], options: dict[str, Any]
    ) -> None:
        self.cls = cls
        self.name = check_name(options.get("name") or name)
        self.handlers = handlers
        self.snapshot = Snapshot(fields_of(cls, Agent))
        self.ephemeral = ephemeral_defaults(cls, Agent)
        self.window = int(options.get("window", 0))
        self.retry: Retry = options.get("retry") or Retry()
        self.restart: Restart = options.get("restart") or Restart()
        self.outbox = int(options.get("outbox", 1024))
        self.version = check_version(options.get("version", 1), cls)
        self.key = options.get("key")
        self.awake = max(1, int(options.get("awake", 1000)))
        self._codec: StateCodec | None = None
        self.hooks = {h: _hook_arguments(cls, h) for h in _HOOKS if getattr(cls, h) is not getattr(Agent, h)}

    @property
    def codec(self) -> StateCodec:
        """Writes and reads the state of the class; compiled when it is first asked for."""
        if self._codec is None:
            from loom.agent._state_codec import StateCodec

            self._codec = StateCodec(self.snapshot.fields)
        return self._codec


_HOOKS = {"on_start": "ctx", "on_stop": "ctx", "on_error": "event, error, ctx"}


def _hook_arguments(cls: type[Agent], hook: str) -> int:
    """How many arguments after self a hook takes; raises SignatureError."""
    wanted = _HOOKS[hook]
    most = len(wanted.split(","))
    return count_arguments(getattr(cls, hook), f"{cls.__qualname__}.{hook}", wanted, most=most, method=True)


def spec_of(cls: type[Agent]) -> AgentSpec:
    """The compiled form of an agent class; raises StateError, SignatureError, ConfigError."""
    spec = cls.__dict__.get("_spec")
    if spec is None:
        spec = AgentSpec(cls, cls.__name__, handlers_of(cls), cls._options)
        cls._spec = spec
    result: AgentSpec = spec
    return result


def function_spec(function: Callable[..., Any]) -> AgentSpec:
    """The compiled form of a function marked with ``@on``: an agent without state."""
    name = getattr(function, "__name__", "agent")
    if not hasattr(function, MARK):
        raise SignatureError(f"{name} is not marked; decorate it with @on(...), @action(...) or @source(...)")
    return AgentSpec(Agent, name, tuple(compile_handler(function, name, method=False)), {})


def offers(spec: AgentSpec) -> dict[str, list[str]]:
    """What an agent says of itself when it starts: the patterns it listens to and the actions its handlers name."""
    topics = dict.fromkeys(h.trigger.pattern for h in spec.handlers if h.trigger.pattern)
    actions = dict.fromkeys(use for h in spec.handlers for use in h.uses)
    return {"topics": list(topics), "actions": list(actions)}


def check_version(version: object, cls: type[Agent]) -> int:
    """The version of an agent's state: a whole number from 1 on; raises ConfigError."""
    if type(version) is not int or version < 1:
        raise ConfigError(f"class {cls.__qualname__}: version={version!r}; use a whole number from 1 on")
    return version


def check_name(name: str) -> str:
    """An agent's name: one topic token of letters, digits, ``-`` and ``_``."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigError(f"agent name {name!r}: use letters, digits, '-' and '_', at most 128 of them")
    return name
