"""Rules as a project file has them: ``[[router.rules]]`` tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from loom.errors import ConfigError
from loom.event import Confidentiality, Label
from loom.router.rules import Rule, When

Path = tuple[str, ...]
At = Callable[[Path], str]
MOST = 1000
"""Rules of one policy."""
DEEPEST = 8
"""How many conditions may stand within each other."""
WORDS = ("tasks", "keywords", "languages")
NESTED = ("every", "some", "never")
WHEN = (*WORDS, "label", "min_tokens", "max_tokens", "signals", *NESTED)
RULE = ("name", "when", "backends", "route", "refuse", "why")


def read_rules(tables: Sequence[Any], path: Path, at: At) -> tuple[Rule, ...]:
    """The rules in *tables*, in their order; raises ConfigError with the line."""
    if len(tables) > MOST:
        raise ConfigError(f"{at((*path, 'rules'))}: {len(tables)} rules; there may be {MOST:,}")
    return tuple(_rule(values, (*path, "rules", str(place)), at) for place, values in enumerate(tables))


def _rule(values: Any, path: Path, at: At) -> Rule:
    _check(values, RULE, path, at)
    name = _text(values, "name", path, at) or f"rule {int(path[-1]) + 1}"
    refuse = values.get("refuse", False)
    if not isinstance(refuse, bool):
        raise ConfigError(f"{at((*path, 'refuse'))}: refuse must be true or false, not {refuse!r:.60}")
    backends = _words(values, "backends", path, at)
    route, why = _text(values, "route", path, at), _text(values, "why", path, at)
    if not (backends or refuse or route):
        raise ConfigError(f"{at(path)}: rule {name!r} does nothing; give it backends, route or refuse = true")
    when = _when(values.get("when", {}), (*path, "when"), at, 0)
    return Rule(name, when, backends, route, refuse, why, at(path))


def _when(values: Any, path: Path, at: At, depth: int) -> When:
    _check(values, WHEN, path, at)
    if depth >= DEEPEST:
        raise ConfigError(f"{at(path)}: conditions within conditions, deeper than {DEEPEST}")
    low, high = (_whole(values, key, path, at) for key in ("min_tokens", "max_tokens"))
    if low is not None and high is not None and low > high:
        where = at((*path, "max_tokens"))
        raise ConfigError(
            f"{at((*path, 'min_tokens'))}: min_tokens = {low} contradicts {where}: max_tokens = {high}"
        )
    tasks, keywords, languages = (_words(values, key, path, at) for key in WORDS)
    every, some, never = (_conditions(values.get(key, []), (*path, key), at, depth) for key in NESTED)
    spoken = tuple(each.lower() for each in languages)
    label, signals = _label(values, path, at), _signals(values, path, at)
    return When(tasks, keywords, spoken, label, low, high, signals, every, some, never)


def _conditions(values: Any, path: Path, at: At, depth: int) -> tuple[When, ...]:
    if not isinstance(values, list):
        raise ConfigError(f"{at(path)}: {path[-1]} must be a list of conditions, not {values!r:.60}")
    return tuple(_when(each, path, at, depth + 1) for each in values)


def _check(values: Any, known: Sequence[str], path: Path, at: At) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{at(path)}: a rule and its condition are tables, not {values!r:.60}")
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(
                f"{at((*path, key))}: no key {key!r} in a {'rule' if known is RULE else 'condition'}; {hint}"
            )


def _words(values: Mapping[str, Any], key: str, path: Path, at: At) -> tuple[str, ...]:
    words = values.get(key, [])
    if not isinstance(words, list) or not all(isinstance(each, str) and each for each in words):
        raise ConfigError(
            f'{at((*path, key))}: {key} must be a list of words, as ["a", "b"], not {words!r:.60}'
        )
    return tuple(words)


def _text(values: Mapping[str, Any], key: str, path: Path, at: At) -> str:
    text = values.get(key, "")
    if not isinstance(text, str):
        raise ConfigError(f"{at((*path, key))}: {key} must be text in quotes, not {text!r:.60}")
    return text


def _whole(values: Mapping[str, Any], key: str, path: Path, at: At) -> int | None:
    number = values.get(key)
    if number is not None and (type(number) is not int or number < 0):
        raise ConfigError(f"{at((*path, key))}: {key} must be a whole number, 0 or more, not {number!r:.60}")
    return number


def _label(values: Mapping[str, Any], path: Path, at: At) -> Confidentiality | None:
    text = _text(values, "label", path, at)
    try:
        return Label.parse(text).confidentiality if text else None
    except ValueError as error:
        raise ConfigError(f"{at((*path, 'label'))}: {error}") from None


def _signals(values: Mapping[str, Any], path: Path, at: At) -> Mapping[str, tuple[str, ...] | float]:
    table: Any = values.get("signals", {})
    found: dict[str, tuple[str, ...] | float] = {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"{at((*path, 'signals'))}: signals must be a table, not {table!r:.60}")
    for name, wanted in table.items():
        if isinstance(wanted, int | float) and not isinstance(wanted, bool):
            found[name] = wanted
        else:
            found[name] = _words(table, name, (*path, "signals"), at)
    return found
