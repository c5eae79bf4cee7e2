"""Capabilities by name and version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loom.actions.action import Action
from loom.errors import ConfigError, UnknownAction


class Registry:
    """The actions of one runtime. A plain name means its newest registered version; ``name@2`` names one."""

    __slots__ = ("_actions",)

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def with_actions(self, actions: Iterable[Action]) -> Registry:
        """A registry of these and *actions*; raises ConfigError like ``add`` and leaves this one as it is."""
        both = Registry()
        both._actions.update(self._actions)
        for action in actions:
            both.add(action)
        return both

    def add(self, action: Action) -> None:
        """Register *action*; raises ConfigError if this name and version is taken by another function."""
        exact = f"{action.name}@{action.version}"
        taken = self._actions.get(exact)
        if taken is not None and taken.function is not action.function:
            raise ConfigError(
                f"action {exact!r} is registered twice; give one of them another name or version"
            )
        self._actions[exact] = action
        self._actions[action.name] = action

    def find(self, name: str) -> Action:
        """The action called *name*; raises UnknownAction offering the nearest names."""
        found = self._actions.get(name)
        if found is None:
            near = nearest(name, {a.name for a in self})
            hint = f"did you mean {near}?" if near else "add(...) the function that provides it"
            raise UnknownAction(f"no action {name!r}; {hint}")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._actions

    def __iter__(self) -> Iterator[Action]:
        return iter({id(a): a for a in self._actions.values()}.values())


def nearest(word: str, words: Iterable[str]) -> str:
    """The known words most like *word*, quoted and joined by 'or'; empty if none is near."""
    import difflib

    return " or ".join(repr(w) for w in difflib.get_close_matches(word, sorted(words), n=3, cutoff=0.5))


def granted(name: str, grants: Iterable[str] | None) -> bool:
    """Whether a capability is among *grants* (``"tts.*"`` grants every name under tts); None grants everything."""
    if grants is None:
        return True
    import fnmatch

    return any(fnmatch.fnmatchcase(name, pattern) for pattern in grants)
