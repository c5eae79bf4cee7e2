"""Conditions over signals, in three values: true, false, and nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loom.errors import ConfigError

DEEPEST = 32
OPERATORS = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One signal, by *kind* and *name*; *label* of a classifier, ``hard`` or ``easy`` of a complexity.

    *bounded*: it is about a figure of the signal, not about whether it holds.
    """

    kind: str
    name: str
    label: str = ""
    bounded: bool = False

    @property
    def signal(self) -> str:
        """The name by which the signal is found among those of its kind."""
        return f"{self.name}:{self.label}" if self.kind == "complexity" and self.label else self.name


@dataclass(frozen=True, slots=True)
class Node:
    """AND, OR or NOT of *parts*; an AND of nothing is true."""

    operator: str
    parts: tuple[Leaf | Node, ...] = ()


Tree = Leaf | Node
ALWAYS = Node("AND")


def read_tree(found: Any, where: str, depth: int = 0) -> Tree:
    """The tree in *found*, as the YAML has it; raises ConfigError that names *where*."""
    if depth > DEEPEST:
        raise ConfigError(f"{where}: conditions are nested more than {DEEPEST} deep")
    if not isinstance(found, Mapping):
        raise ConfigError(f"{where}: a condition is a table, not {type(found).__name__}")
    if "operator" not in found:
        return ALWAYS if not found.keys() - {"on_unknown"} else read_leaf(found, where)
    operator = str(found["operator"]).upper()
    parts = found.get("conditions") or []
    if operator not in OPERATORS:
        raise ConfigError(f"{where}: operator {operator[:20]!r} is none of {', '.join(OPERATORS)}")
    if not isinstance(parts, list) or (operator == "NOT" and len(parts) != 1):
        raise ConfigError(f"{where}: conditions are a list, of one for NOT")
    return Node(operator, tuple(read_tree(each, where, depth + 1) for each in parts))


def read_leaf(found: Mapping[str, Any], where: str) -> Leaf:
    """The signal in *found*; raises ConfigError that names *where*."""
    kind, name = found.get("type"), found.get("name")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ConfigError(f"{where}: a condition names a type and a name, or an operator")
    kind = kind.strip().lower()
    name, _, label = name.partition(":") if kind == "complexity" else (name, "", "")
    return Leaf(kind, name, label or str(found.get("label") or ""), found.get("predicate") is not None)


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Every signal that *tree* asks for."""
    if isinstance(tree, Leaf):
        yield tree
        return
    for part in tree.parts:
        yield from leaves(part)


def holds(tree: Tree, truth: Callable[[Leaf], bool | None]) -> bool | None:
    """Whether *tree* holds, None where that hangs on what nobody knows (Kleene's strong logic of three values)."""
    if isinstance(tree, Leaf):
        return truth(tree)
    values = [holds(part, truth) for part in tree.parts]
    if tree.operator == "NOT":
        return None if values[0] is None else not values[0]
    decisive = tree.operator == "OR"
    if decisive in values:
        return decisive
    return None if None in values else not decisive
