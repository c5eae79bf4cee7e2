"""Arguments and results as JSON and back: by the annotations of an action, or by what can be read back without any."""

from __future__ import annotations

import base64
import builtins
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loom import errors
from loom.errors import InvalidEvent, LoomError, PayloadTooLarge, StateError
from loom.event import Event
from loom.journal.row import flat_event, read_flat
from loom.store.text import dump

if TYPE_CHECKING:
    from loom.actions import Action
    from loom.agent._state_form import Form

_LIMIT = 16 * 1024 * 1024


class Values:
    """The forms of arguments, by action, and of values of no stated type."""

    def __init__(self) -> None:
        self._forms: dict[Callable[..., Any], dict[str, Form]] = {}
        self._open: Form | None = None

    def arguments(self, action: Action, arguments: Mapping[str, Any]) -> str:
        """The JSON of *arguments*; raises StateError naming the one that has no JSON form."""
        forms = self._of(action)
        kept = {}
        for name, value in arguments.items():
            try:
                kept[name] = self._write(forms.get(name), value)
            except StateError as error:
                raise StateError(
                    f"argument {name!r} of action {action.name!r} cannot be kept until it has run: {error}; "
                    "pass what says where to find it, or use await ctx.call(...), or act from a REALTIME handler"
                ) from None
        return dump(kept)

    def described(self, action: Action, arguments: Mapping[str, Any]) -> str:
        """The JSON of *arguments* for people: what has no JSON form is described."""
        try:
            return self.arguments(action, arguments)
        except StateError:
            return dump({name: f"{value!r:.100}" for name, value in arguments.items()})

    def restored(self, action: Action, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of what ``arguments`` wrote; raises StateError when they fit *action* no more."""
        forms = self._of(action)
        return {name: self._read(forms.get(name), value) for name, value in kept.items()}

    def write(self, value: Any) -> str | None:
        """The JSON of a result, or None when it has none."""
        try:
            kept = dump(self._anything().encode(value))
        except (StateError, RecursionError, ValueError, TypeError):
            return None
        return kept if len(kept) <= _LIMIT else None

    def read(self, kept: Any) -> Any:
        """The result of what ``write`` wrote, its JSON parsed; raises StateError."""
        return self._anything().decode(kept)

    def _anything(self) -> Form:
        if self._open is None:
            from loom.agent._state_open import Anything

            self._open = Anything("a result").form
        return self._open

    def _write(self, form: Form | None, value: Any) -> Any:
        """By the annotation, or by the value itself: what is not of its annotation is the executor's to refuse."""
        if form is not None:
            try:
                return form.encode(value)
            except StateError:
                pass
        return self._anything().encode(value)

    def _read(self, form: Form | None, kept: Any) -> Any:
        if form is not None:
            try:
                return form.decode(kept)
            except StateError:
                pass
        return self._anything().decode(kept)

    def _of(self, action: Action) -> dict[str, Form]:
        forms = self._forms.get(action.function)
        if forms is None:
            forms = self._forms[action.function] = _compile(action)
        return forms


def _compile(action: Action) -> dict[str, Form]:
    from loom.agent._state_compile import Compiler

    compiler = Compiler()
    forms = {}
    for name, annotation in typing.get_type_hints(action.function).items():
        try:
            forms[name] = compiler.form(annotation, f"{action.name}.{name}")
        except StateError:
            continue  # no form by its annotation: by the value itself
    return forms


def write_events(found: object) -> list[str] | None:
    """The replies of a request as text, or None when *found* is something else, or has no form that lasts."""
    if type(found) is not list or not found or not all(type(event) is Event for event in found):
        return None
    try:
        return [f"{event.seq} {base64.b64encode(flat_event(event)).decode()}" for event in found]
    except (InvalidEvent, PayloadTooLarge):
        return None


def read_events(kept: list[str]) -> list[Event]:
    """The events of what ``write_events`` wrote; raises StoreCorrupt, ValueError."""
    found = []
    for text in kept:
        seq, _, row = text.partition(" ")
        event = read_flat(base64.b64decode(row))
        event._journal = int(seq)
        found.append(event)
    return found


def write_error(error: Exception) -> dict[str, Any]:
    """An error as JSON: its class by name, its message, and what a message does not tell."""
    kept: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if error.args and all(isinstance(a, str | int | float | bool | None) for a in error.args):
        kept["args"] = list(error.args)
    if getattr(error, "retryable", False):
        kept["retryable"] = True
    return kept


def read_error(kept: Mapping[str, Any]) -> Exception:
    """The error of what ``write_error`` wrote; one of a class that Loom does not know is a LoomError that names it."""
    name, message = str(kept["type"]), str(kept["message"])
    cls = getattr(errors, name, None) or getattr(builtins, name, None)
    if isinstance(cls, type) and issubclass(cls, Exception):
        arguments = kept.get("args", (message,) if message else ())
        made: Exception = cls.__new__(cls, *arguments)  # without __init__: what it wants is not kept
        made.args = tuple(arguments)
        if issubclass(cls, errors.ActionFailed):
            made.retryable = bool(kept.get("retryable"))  # type: ignore[attr-defined]
        if str(made) == message:
            return made
    return LoomError(f"{name}: {message}")
