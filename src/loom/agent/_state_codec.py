"""The StateCodec: the state of one agent class as JSON, and what changed between two states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loom.agent._state import Field
from loom.agent._state_classes import Gone, Part
from loom.agent._state_compile import Compiler, compile_writer
from loom.agent._state_delta import Delta, change
from loom.agent._state_form import Form
from loom.errors import StateError

State = tuple[Any, ...]
_SCALARS = frozenset({int, bool})  # equal ones are kept the same, different ones share nothing


class StateCodec:
    """Writes and reads captured states of the fields of one class.

    What it writes shares lists and dicts with the state that it was given: neither may be changed afterwards. Reading
    goes by the annotations; what is kept names no class but loaded subclasses of annotated ones. ``parts`` are the
    fields with their forms.
    """

    __slots__ = ("_write", "fields", "names", "parts")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        """Compile the fields."""
        compiler = Compiler()
        self.fields = fields
        self.names = tuple(f.name for f in fields)
        self.parts = tuple(Part(f.name, compiler.form(f.annotation, f.name), f.initial) for f in fields)
        self._write = compile_writer([(p.name, p.form) for p in self.parts], "value[{i}]")

    def encode(self, state: State) -> dict[str, Any]:
        """*state* as a dict for ``json.dumps``; raises StateError naming a field whose value could not be read back."""
        try:
            return self._write(state)
        except StateError:
            for part, value in zip(self.parts, state, strict=True):
                try:
                    part.form.encode(value)
                except StateError as error:
                    raise _named(part, error) from None
            raise

    def decode(self, kept: Mapping[str, Any]) -> State:
        """The state of what was kept; a field of which nothing is kept begins with its default.

        Raises StateError for a kept value that is none of its annotation, and for a kept field that the class has not.
        """
        for name in kept:
            if name not in self.names:
                raise Gone("the class", kept, name)
        return tuple([read_part(part, kept) for part in self.parts])

    def delta(self, old: State, new: State) -> Delta | None:
        """What leads from the kept form of *old* to that of *new*, None when nothing does; raises StateError."""
        found: Delta = {}
        for part, before, after in zip(self.parts, old, new, strict=True):
            if before is not after:
                op = _field_change(part.form, before, after)
                if op is not None:
                    found[part.name] = op
        return found or None


def read_part(part: Part, kept: Mapping[str, Any]) -> Any:
    """The value of one field of a kept state; raises StateError naming it."""
    if part.name not in kept:
        return part.begin()
    try:
        return part.form.decode(kept[part.name])
    except StateError as error:
        raise _named(part, error) from None


def _named(part: Part, error: StateError) -> StateError:
    """The error, saying which field it is about."""
    text = str(error)
    return error if text.startswith(part.name) else StateError(f"{part.name}: {text}")


def _field_change(form: Form, old: Any, new: Any) -> list[Any] | None:
    """The change of one field: what is equal, or a list that grew, is found without writing all of it."""
    kind = type(new)
    if form.cls is kind and kind in _SCALARS:
        return None if old == new and type(old) is kind else ["=", form.encode(new)]
    if type(old) is kind:
        if form.same(old, new):
            return None
        if kind is list and form.begins is not None and form.begins(old, new):
            return ["+", form.encode(new[len(old) :])]
    return change(form.encode(old), form.encode(new))
