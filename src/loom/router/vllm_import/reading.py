"""From the parsed YAML of a vLLM Semantic Router to choices over signals. Pure.

Its schema is the one of the package vllm-sr (versions 0.3 and 0.4): `routing.signals`, `.projections`, `.decisions`, or
the same in each of `recipes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import inf, isfinite, nextafter
from typing import Any

from loom.errors import ConfigError
from loom.router.pattern import compiled
from loom.router.vllm_import.personal import detectors, loom_kinds
from loom.router.vllm_import.signals import (
    Again,
    Complexity,
    Counted,
    Keywords,
    Like,
    Personal,
    Signal,
    Subject,
    Unknown,
)
from loom.router.vllm_import.tree import ALWAYS, Leaf, Tree, leaves, read_leaf, read_tree

MOST = 10_000
"""Signals, decisions and texts that one file may hold, each."""
KINDS = {
    "keywords": "keyword", "embeddings": "embedding", "domains": "domain", "structure": "structure", "pii": "pii",
    "conversation": "conversation", "complexity": "complexity", "context": "context", "reasks": "reask",
    "language": "language", "fact_check": "fact_check", "user_feedbacks": "user_feedback", "jailbreak": "jailbreak",
    "safety": "safety", "classifiers": "classifier", "modality": "modality", "preferences": "preference",
    "role_bindings": "authz", "hallucination": "hallucination", "kb": "kb", "events": "event", "metadata": "metadata",
    "input_modality": "input_modality",
}  # fmt: skip
"""What a list of signals is called, and a condition on one of them."""
NEEDED = {
    "fact_check": "a classifier that says which claims are to be checked",
    "user_feedback": "a classifier of what users say of answers",
    "jailbreak": "a classifier of attacks on prompts",
    "safety": "a classifier of harmful content",
    "classifier": "the classifier it names",
}


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal adds to a sum: *match* where it holds, else *miss*; *raw*: its value, so many times."""

    leaf: Leaf
    match: float
    miss: float = 0.0
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A projection's name for a weighted sum of signals, within *low* and *high*."""

    inputs: tuple[Part, ...]
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision of the file: *tree* says when, *models* which it names, the higher *priority* is looked at first."""

    name: str
    priority: float
    tree: Tree
    models: tuple[str, ...] = ()
    unknown: bool = False
    """What it comes to where its conditions hang on what nobody knows."""
    refuses: bool = False
    """Nobody is asked: the file answers with a ready text."""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """One policy out of a file, and what could not be taken over (*left_out*), by signal."""

    name: str
    choices: tuple[Choice, ...]
    signals: Mapping[tuple[str, str], Signal]
    bands: Mapping[str, Band] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def read_policies(document: Any) -> dict[str, Imported]:
    """The policies in *document* by name, ``default`` for one that has none; raises ConfigError for another schema."""
    if not isinstance(document, Mapping):
        raise ConfigError(
            "the file holds no table; a policy of vLLM Semantic Router has `routing` or `recipes`"
        )
    found: dict[str, Imported] = {}
    recipes = document.get("recipes")
    if isinstance(recipes, list):
        for each in recipes[:MOST]:
            if isinstance(each, Mapping) and isinstance(each.get("routing"), Mapping):
                name = str(each.get("name") or f"recipe-{len(found) + 1}")
                if name in found:
                    raise ConfigError(f"two recipes are called {name!r:.60}; give one of them another name")
                found[name] = _policy(name, each["routing"])
    if isinstance(document.get("routing"), Mapping) and document["routing"].get("decisions"):
        found["default"] = _policy("default", document["routing"])
    if not found:
        raise ConfigError("the file has neither routing.decisions nor recipes with them: nothing to import")
    return found


def _policy(name: str, routing: Mapping[str, Any]) -> Imported:
    signals = _signals(name, _table(routing, "signals", name))
    bands = _bands(name, _table(routing, "projections", name))
    choices = [_choice(name, each) for each in _list(routing, "decisions", name)]
    names = [choice.name for choice in choices]
    if twice := {each for each in names if names.count(each) > 1}:
        raise ConfigError(f"{name}: two decisions are called {min(twice)!r}")
    for choice in choices:
        _check_names(f"{name}.{choice.name}", leaves(choice.tree), signals, bands)
    for band, made in bands.items():
        _check_names(f"{name}.{band}", (part.leaf for part in made.inputs), signals, bands)
    left_out = {
        f"{kind}:{key}": each.why for (kind, key), each in signals.items() if isinstance(each, Unknown)
    }
    ordered = sorted(choices, key=lambda each: -each.priority)
    return Imported(name, tuple(ordered), signals, bands, left_out)


def _choice(where: str, found: Any) -> Choice:
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str) or not found["name"]:
        raise ConfigError(f"{where}: a decision without a name, which is a text")
    name, rules = found["name"], found.get("rules")
    named = tuple(str(each.get("model", "")) for each in _list(found, "modelRefs", f"{where}.{name}"))
    plugins = [each.get("type") for each in _list(found, "plugins", f"{where}.{name}")]
    return Choice(
        name,
        _number(found, "priority", 0.0, f"{where}.{name}"),
        ALWAYS if rules is None else read_tree(rules, f"{where}.{name}"),
        named,
        isinstance(rules, Mapping) and rules.get("on_unknown") == "match",
        "fast_response" in plugins,
        str(found.get("description", "")),
    )


def _check_names(
    where: str, asked: Iterable[Leaf], signals: Mapping[tuple[str, str], Signal], bands: Mapping[str, Band]
) -> None:
    for leaf in asked:
        names = list(bands) if leaf.kind == "projection" else [n for kind, n in signals if kind == leaf.kind]
        if leaf.kind == "domain" and not names:
            continue  # a file that describes no subject may name any
        name = leaf.signal
        if name not in names and (leaf.kind in KINDS.values() or leaf.kind == "projection"):
            near = get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{where}: there is no {leaf.kind} called {name!r}{hint}")


def _signals(where: str, found: Mapping[str, Any]) -> dict[tuple[str, str], Signal]:
    made: dict[tuple[str, str], Signal] = {}
    subjects = {
        str(each.get("name")): _texts_of_subject(each)
        for each in _list(found, "domains", where)
        if each.get("name")
    }
    seen: set[tuple[Any, str]] = set()
    for kind in found:
        for each in _list(found, kind, where):
            name = each.get("name") if isinstance(each, Mapping) else None
            if not isinstance(name, str) or not name:
                raise ConfigError(f"{where}.{kind}: a signal without a name, which is a text")
            if (kind, name) in seen:
                raise ConfigError(f"{where}.{kind}: two signals are called {name!r}")
            seen.add((kind, name))
            if len(made) >= MOST:
                raise ConfigError(f"{where}: more than {MOST:,} signals")
            _add(made, KINDS.get(str(kind), str(kind)), each, f"{where}.{kind}.{name}", subjects)
    return made


def _add(
    made: dict[tuple[str, str], Signal],
    kind: str,
    found: Mapping[str, Any],
    where: str,
    subjects: dict[str, Any],
) -> None:
    name = str(found["name"])
    if kind == "domain":
        others = tuple(text for key, texts in subjects.items() if key != name for text in texts)
        made[kind, name] = Subject(subjects[name], others)
    elif kind == "complexity":
        for label in ("hard", "medium", "easy"):
            made[kind, f"{name}:{label}"] = _complexity(found, label, where)
    else:
        reader = READERS.get(kind)
        why = f"it needs {NEEDED.get(kind, 'what Loom does not have')}"
        made[kind, name] = reader(found, where) if reader else Unknown(why)


def _keywords(found: Mapping[str, Any], where: str) -> Signal:
    words, method = _texts(found, "keywords", where), found.get("method") or "regex"
    operator = str(found.get("operator", "OR")).upper()
    if method not in ("regex", "contains", "exact") or operator not in ("AND", "OR", "NOR"):
        return Unknown(
            f"keywords by {method!r} with {operator!r}; Loom looks for regex and exact words, AND, OR, NOR"
        )
    flags = 0 if found.get("case_sensitive") else re.IGNORECASE
    if method != "regex":
        words = tuple(rf"(?<!\w){re.escape(each)}(?!\w)" for each in words)
    return Keywords(tuple(compiled(each, where, flags) for each in words), operator)


def _counted(found: Mapping[str, Any], where: str) -> Signal:
    feature = found.get("feature") or {}
    how = feature.get("type", "count") if isinstance(feature, Mapping) else ""
    source = feature.get("source") or {} if isinstance(feature, Mapping) else {}
    what = str(source.get("type", "")) if isinstance(source, Mapping) else ""
    known = (
        "regex",
        "message",
        "tool_definition",
        "active_tool_loop",
        "tool_choice_required",
        "tool_choice_none",
    )
    if how not in ("count", "exists"):
        return Unknown(f"it is about a {str(how)[:40]!r} of a request")
    if what not in (*known, "flow_tool_state"):
        return Unknown(f"nothing in a request says {what[:40]!r}")
    pattern = compiled(str(source.get("pattern", "")), where) if what == "regex" else None
    least, most = _bounds(found.get("predicate"), where)
    return Counted(what, str(source.get("role") or ""), least, most, pattern)


def _context(found: Mapping[str, Any], where: str) -> Signal:
    return Counted(
        "tokens", "", _tokens(found.get("min_tokens"), 0.0), _tokens(found.get("max_tokens"), float("inf"))
    )


def _like(found: Mapping[str, Any], where: str) -> Signal:
    if found.get("query_modality") not in (None, "text") or not found.get("candidates"):
        return Unknown("it compares pictures or sounds")
    how = str(found.get("aggregation_method") or "max")
    return Like(_texts(found, "candidates", where), _number(found, "threshold", 0.7, where), how)


def _complexity(found: Mapping[str, Any], label: str, where: str) -> Signal:
    banks = [found.get(kind) or {} for kind in ("hard", "easy")]
    hard, easy = (_texts(bank, "candidates", where) if isinstance(bank, Mapping) else () for bank in banks)
    if not hard or not easy:
        return Unknown("it has no examples of what is hard and what is easy")
    both = _number(found, "threshold", 0.0, where)
    above, below = _number(found, "hard_above", both, where), _number(found, "easy_below", -both, where)
    return Complexity(hard, easy, label, above, below)


def _again(found: Mapping[str, Any], where: str) -> Signal:
    return Again(
        _number(found, "threshold", 0.8, where), max(1, int(_number(found, "lookback_turns", 1, where)))
    )


def _personal(found: Mapping[str, Any], where: str) -> Signal:
    kinds = loom_kinds(set(_texts(found, "pii_types_allowed", where)))
    if not kinds:
        return Unknown("none of the kinds of personal data that it is about is found by Loom")
    return Personal(kinds, detectors(), bool(found.get("include_history")))


READERS: dict[str, Callable[[Mapping[str, Any], str], Signal]] = {
    "keyword": _keywords, "structure": _counted, "conversation": _counted, "context": _context, "embedding": _like,
    "reask": _again, "pii": _personal,
}  # fmt: skip


def _bands(where: str, found: Mapping[str, Any]) -> dict[str, Band]:
    sums = {str(each.get("name")): _inputs(each, where) for each in _list(found, "scores", where)}
    made: dict[str, Band] = {}
    for mapping in _list(found, "mappings", where):
        for output in _list(mapping, "outputs", where):
            inputs = sums.get(str(mapping.get("source")))
            if inputs is None:
                raise ConfigError(f"{where}: there is no score called {str(mapping.get('source'))[:60]!r}")
            name = str(output.get("name"))
            if name in made:
                raise ConfigError(f"{where}: two outputs of projections are called {name!r}")
            made[name] = Band(inputs, *_bounds(output, where, -inf))
    return made


def _inputs(score: Any, where: str) -> tuple[Part, ...]:
    return tuple(_part(each, where) for each in _list(score, "inputs", where))


def _part(found: Mapping[str, Any], where: str) -> Part:
    source, weight = found.get("value_source") or "binary", _number(found, "weight", 1.0, where)
    leaf = read_leaf({"type": str(found.get("type")), "name": str(found.get("name"))}, where)
    if source == "binary":
        match, miss = (_number(found, key, usual, where) for key, usual in (("match", 1.0), ("miss", 0.0)))
        return Part(leaf, weight * match, weight * miss)
    if source != "raw":
        leaf = replace(leaf, bounded=True)  # how sure its own classifier is: nobody knows
    return Part(leaf, weight, raw=source == "raw")


def _bounds(found: Any, where: str, least: float = 1.0) -> tuple[float, float]:
    if not isinstance(found, Mapping):
        return least, inf
    low = max(_number(found, "gte", -inf, where), nextafter(_number(found, "gt", -inf, where), inf))
    high = min(_number(found, "lte", inf, where), nextafter(_number(found, "lt", inf, where), -inf))
    return low, high


def _texts_of_subject(found: Mapping[str, Any]) -> tuple[str, ...]:
    categories = found.get("mmlu_categories") or []
    named = [str(each) for each in categories] if isinstance(categories, list) else []
    texts = [str(found.get("description") or ""), *(f"A question about {each}." for each in named)]
    return tuple(text for text in texts if text)


def _table(found: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = found.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{where}: {name} are a table, not {type(value).__name__}")
    return value or {}


def _list(found: Any, name: str, where: str) -> list[Any]:
    value = found.get(name) if isinstance(found, Mapping) else None
    if value is None:
        return []
    if (
        not isinstance(value, list)
        or len(value) > MOST
        or not all(isinstance(each, Mapping) for each in value)
    ):
        raise ConfigError(f"{where}: {name} is a list of at most {MOST:,} tables")
    return value


def _texts(found: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = found.get(name) or []
    if not isinstance(value, list) or len(value) > MOST:
        raise ConfigError(f"{where}: {name} is a list of at most {MOST:,} texts")
    return tuple(str(each) for each in value)


def _number(found: Mapping[str, Any], name: str, default: float, where: str) -> float:
    value = found.get(name)
    if value is None:
        return default
    try:
        number = float("nan") if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise ConfigError(f"{where}: {name} is a number, not {str(value)[:40]!r}")
    return number


def _tokens(value: Any, default: float) -> float:
    """A number of tokens, as ``32000`` or ``32K``."""
    if value is None:
        return default
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{0,12})?)\s*([kKmM]?)\s*", str(value))
    if match is None:
        raise ConfigError(f"{str(value)[:40]!r} is no number of tokens; write 32000 or 32K")
    return float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()]
