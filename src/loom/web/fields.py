"""Reading the fields of a JSON object, each checked, with its name in what is said about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from loom.web.body import word_for
from loom.web.refusal import Refusal, bad


class Fields:
    """The fields of one object in a request; *path* is where it stands (``messages[3].``). A null counts as absent."""

    __slots__ = ("path", "values")

    def __init__(self, values: object, path: str = "") -> None:
        """Raises Refusal when *values* is no object."""
        if not isinstance(values, Mapping):
            raise bad(
                f"{path.rstrip('.') or 'the body'} is an object, not {word_for(values)}", path.rstrip(".")
            )
        self.values: Mapping[str, Any] = values
        self.path = path

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None, most: int | None = None) -> str:
        """A text of at most *most* characters; it must be there unless there is a *default*."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.wrong(name, "is missing" if value is None else f"is text, not {word_for(value)}")
        if most is not None and len(value) > most:
            raise self.wrong(name, f"has {len(value):,} characters, at most {most:,} are taken")
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number from *least* to *most*, None without."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(name, f"is a number from {least:g} to {most:g}, not {_shown(value)}")
        return value

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number from *least* to *most*, None without."""
        value = self.number(name, least, most)
        if value is not None and value != int(value):
            raise self.wrong(name, f"is a whole number, not {_shown(value)}")
        return None if value is None else int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, f"is true or false, not {word_for(value)}")
        return value

    def choice(self, name: str, words: Collection[str], default: str) -> str:
        """One of *words*."""
        value = self.text(name, default)
        if value not in words:
            raise self.wrong(name, f"is {' or '.join(map(repr, words))}, not {_shown(value)}")
        return value

    def items(self, name: str, most: int = 10_000) -> list[Any]:
        """A list of at most *most* things; empty without."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, f"is a list, not {word_for(value)}")
        if len(value) > most:
            raise self.wrong(name, f"has {len(value):,} entries, at most {most:,} are taken")
        return value

    def objects(self, name: str, most: int = 10_000) -> Iterator[Fields]:
        """The objects of a list."""
        for number, each in enumerate(self.items(name, most)):
            yield Fields(each, f"{self.path}{name}[{number}].")

    def object(self, name: str) -> Fields | None:
        """The object in a field, None without."""
        value = self.values.get(name)
        return None if value is None else Fields(value, f"{self.path}{name}.")

    def only(self, known: Collection[str]) -> None:
        """Raise Refusal for the first field that is none of *known*, with the nearest that is."""
        for name in self.values:
            if name not in known:
                near = get_close_matches(name[:80], known, 1)  # likeness of a long name takes minutes
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise bad(
                    f"there is no field {self.path}{name[:80]}{hint}",
                    f"{self.path}{name[:80]}",
                    "unknown_field",
                )

    def wrong(self, name: str, what: str, code: str = "invalid_value") -> Refusal:
        """The refusal that says *what* of field *name*."""
        return bad(f"{self.path}{name} {what}", f"{self.path}{name}", code)


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 128:
        return "one of many digits"
    return repr(value)[:60] if isinstance(value, str | int | float) else word_for(value)
