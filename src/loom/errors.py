"""Every error Loom raises on purpose: one short tree; a message says what happened, with which value and what to do."""

from __future__ import annotations

import os
import sys


class LoomError(Exception):
    """The root of everything Loom raises on purpose."""


class InvalidTopic(LoomError, ValueError):
    """A topic or pattern that NATS would not accept; the message names the offending token."""


class InvalidEvent(LoomError, ValueError):
    """An event whose fields cannot be used, or bytes that are not an event."""


class PayloadTooLarge(LoomError, ValueError):
    """A payload above the limit of the boundary it was about to cross."""

    def __init__(self, size: int, limit: int, where: str = "this boundary") -> None:
        super().__init__(
            f"payload of {size:,} bytes is over the limit of {limit:,} bytes at {where}; "
            "send a reference (a file, a frame handle) or raise the limit there"
        )
        self.size, self.limit = size, limit


class WouldBlock(LoomError):
    """A ``_nowait`` call that could only go on by waiting."""


class Overloaded(LoomError):
    """A publisher that waited for room in a queue until its timeout, or was refused at once.

    Attributes: ``subscriber`` (name), ``queue`` (its QoS) and ``depth`` (events waiting in it).
    """

    def __init__(self, subscriber: str, queue: str, depth: int, why: str = "is full") -> None:
        super().__init__(
            f"{queue} queue of {subscriber!r} {why} ({depth} events); "
            "publish slower, raise its capacity, or use offer() and count the refusals"
        )
        self.subscriber, self.queue, self.depth = subscriber, queue, depth


class Closed(LoomError):
    """An operation on something that has been closed."""


class ConfigError(LoomError, ValueError):
    """A configuration that cannot be used; the message names the place and the nearest valid word."""


class MissingExtra(LoomError, ImportError):
    """An optional package that is needed now and not installed."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"{package!r} is not installed; run: {install_command(extra)}")
        self.extra, self.package = extra, package


def install_command(extra: str) -> str:
    """The pip command that adds *extra* where this Loom was installed."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.isfile(os.path.join(root, "pyproject.toml")):
        return f"cd {root} && {sys.executable} -m pip install '.[{extra}]'"
    return f"{sys.executable} -m pip install 'loom-runtime[{extra}]'"


class StateError(LoomError, TypeError):
    """A state field whose type or value cannot be kept."""


class SignatureError(LoomError, TypeError):
    """A handler, action or source whose parameters Loom cannot call."""


class ActionError(LoomError):
    """The root of what can go wrong with an action."""


class UnknownAction(ActionError, LookupError):
    """No registered action has this name; the message offers the nearest ones."""


class ActionDenied(ActionError):
    """A grant, policy or person said no."""


class ActionTimeout(ActionError, TimeoutError):
    """An action that did not finish within its timeout."""


class ActionFailed(ActionError):
    """An action that raised. ``retryable`` says whether another attempt may help."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class Deadlock(LoomError):
    """A request whose chain already contains the agent it asks."""


class HopLimit(LoomError):
    """An event derived further than its hop limit allows."""


class Diverged(LoomError):
    """A step that ran again and asked for something else than the first time."""


class RequestTimeout(LoomError, TimeoutError):
    """A request nobody answered in time."""


class ScopeCancelled(LoomError):
    """The scope this work belongs to was cancelled."""


class WorkerError(LoomError):
    """The root of what can go wrong between Loom and a worker process."""


class WorkerDied(WorkerError):
    """A worker process that ended while it was needed."""


class WorkerTimeout(WorkerError, TimeoutError):
    """A worker that did not answer within the deadline."""


class WorkerGarbage(WorkerError):
    """Bytes from a worker that are not the protocol."""


class WorkerRefused(WorkerError):
    """A worker whose queue is full, or that does not know the method."""


class ModelError(LoomError):
    """The root of what can go wrong with a model."""

    decision: object = None


class NoBackend(ModelError, LookupError):
    """No model backend can do this task."""


class ModelFailed(ModelError):
    """A model backend that raised."""


class StoreError(LoomError):
    """A store that could not read or commit."""


class StoreFull(StoreError):
    """A store that has no space, or may not write, at the moment; nothing of this write was kept, try it again."""


class StoreLocked(StoreError):
    """A store that another process holds; the message names its pid."""


class StoreCorrupt(StoreError):
    """A store whose files are damaged; the message names the file and the command that looks closer."""


class StoreFormat(StoreError):
    """A file that is no store of Loom, or one of another version; the message says which."""


class MissingKey(StoreError):
    """A store with sealed values that is opened without a key; the message names what to set."""


class WrongKey(StoreError):
    """A key that is not the one the store was sealed with; nothing was read or written."""


class Shredded(StoreError):
    """A value whose key was destroyed on purpose; nothing brings it back."""


class StaleFrame(LoomError):
    """A frame handle whose slot has been given to a newer frame."""


class UnreadablePicture(LoomError):
    """A file that is no picture, a broken one, or one over the limit; the message names the file."""


class NoResponders(LoomError):
    """A request on a topic that no agent listens to."""


class RequestFailed(LoomError):
    """A request whose receiver gave it up; the message carries its error."""


class AdapterError(LoomError):
    """The root of what can go wrong between Loom and a device, system or protocol."""


class NotGranted(AdapterError):
    """A source or sink that touches what its configuration does not grant it; the message names both."""


class DeviceLost(AdapterError):
    """A device that is gone for now: its source is opened again with back-off, and tells when it is found."""


class NoDevice(AdapterError):
    """A device, or what is needed to reach it, that this machine does not have; the message names an alternative."""


class UnreadableAudio(AdapterError):
    """A file that is no sound, or a broken one; the message names the file and what is wrong with it."""


class EgressRefused(ActionDenied):
    """A URL, host, address, redirect or header that the configuration does not allow; the message says which rule."""


class RemoteFailed(ActionFailed):
    """A network peer that cannot be reached, went away, or answered what cannot be used.

    ``status`` is its HTTP status, 0 without one; ``retry_after`` the seconds it asked to be left alone, None without.
    """

    def __init__(
        self, message: str, *, retryable: bool = True, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.status, self.retry_after = status, retry_after


class RemoteTooLarge(RemoteFailed):
    """An answer, or a request, over the size limit; what was read of it is gone."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class RouteRefused(NoBackend):
    """A request that no backend may, or can, take; ``decision`` says why each was refused."""

    def __init__(self, message: str, decision: object = None) -> None:
        super().__init__(message)
        self.decision = decision


class Deferred(RouteRefused):
    """A request that nobody may take now and somebody may in ``retry_after`` seconds (None: unknown)."""

    def __init__(self, message: str, decision: object = None, retry_after: float | None = None) -> None:
        super().__init__(message, decision)
        self.retry_after = retry_after


class BackendFailed(ModelFailed):
    """A backend behind a network that cannot be reached, refused, or answered nonsense.

    ``retryable``: it, or another, may be asked again; ``status`` is the HTTP status, 0 without one; ``retry_after`` the
    seconds it asked to be left alone, None without; ``sent``: False where nothing was.
    """

    sent = True

    def __init__(
        self, message: str, *, retryable: bool = True, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable, self.status, self.retry_after = retryable, status, retry_after


class BackendTimeout(BackendFailed, TimeoutError):
    """A backend that did not answer, or not to the end, in its time."""


class BudgetExceeded(ModelError):
    """A request whose cost does not fit what is left of a budget; ``budget`` names it, ``kind`` what ran out.

    *kind* is ``money``, ``tokens``, ``calls``, ``seconds``, or ``accounts`` when no more payers can be counted;
    ``resets_ms`` is when there is a new one (Unix milliseconds), None if never.
    """

    def __init__(self, message: str, *, budget: str, kind: str, resets_ms: int | None = None) -> None:
        super().__init__(message)
        self.budget, self.kind, self.resets_ms = budget, kind, resets_ms


class NotRedacted(ModelError):
    """Confidential data that cannot be redacted, so it stays on this device."""


class BackendBusy(Overloaded, ModelError):
    """A backend whose waiting line is full, so this request was not taken; the router goes to the next one."""

    def __init__(self, backend: str, qos: str, depth: int) -> None:
        LoomError.__init__(
            self,
            f"model {backend!r} has no slot free and its {qos} line is full ({depth} requests wait); "
            "ask later, or give it more concurrency",
        )
        self.subscriber, self.queue, self.depth = backend, qos, depth


class UnknownDecision(ModelError, LookupError):
    """No decision of this id is kept (the latest 1,000 are)."""


class ToolLoop(ModelError):
    """A model that did not come to an answer with its tools; ``reason`` says why it was stopped, ``done`` what it did.

    *reason* is ``max_steps``, ``repeated``, ``mistakes`` or ``timeout``; each of ``done`` is {"tool", "arguments",
    "outcome"}, in the order in which they ran.
    """

    def __init__(self, message: str, *, reason: str, done: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.reason, self.done = reason, done


class SchemaMismatch(ModelError):
    """An answer that does not follow its schema, asked for twice; ``problem`` says where, ``head`` is its start."""

    def __init__(self, message: str, *, problem: str, head: str = "") -> None:
        super().__init__(message)
        self.problem, self.head = problem, head


class NoRoom(ModelError):
    """A conversation whose fixed parts alone do not fit the tokens that it may take."""


class ContextExceeded(BackendFailed):
    """A request that is longer than the backend's context; ``limit`` is that in tokens, None when it is not told."""

    def __init__(self, message: str, status: int = 0, limit: int | None = None) -> None:
        super().__init__(message, retryable=False, status=status)
        self.limit = limit
