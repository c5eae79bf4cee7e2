"""YAML out of a file that somebody sent: plain values only, and no more of them than a policy needs. A leaf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loom.errors import ConfigError, MissingExtra

LARGEST = 8 * 1024 * 1024
MOST = 500_000
"""Nodes, with those that an alias repeats counted again: a file of ten lines can stand for a billion of them."""
DEEPEST = 64


def read_yaml(file: Path) -> Any:
    """What *file* holds; raises ConfigError with what is wrong and where, MissingExtra without PyYAML."""
    try:
        import yaml
    except ImportError:
        raise MissingExtra("cloud", "pyyaml") from None
    try:
        with open(file, "rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{file} has more than {LARGEST >> 20} MiB; a policy is smaller")
    try:
        loader = yaml.SafeLoader(content.decode("utf-8"))
        node = loader.get_single_node()
        _count(node, {}, 0)
        return None if node is None else loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where is not None else ""
        raise ConfigError(
            f"{file}{line}: no YAML that can be used: {getattr(error, 'problem', None) or error}"
        ) from None


def _count(node: Any, known: dict[int, int], depth: int) -> int:
    """How many nodes *node* stands for; raises ValueError for too many."""
    if node is None:
        return 0
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep, or within itself")
    if id(node) in known:
        return known[id(node)]
    total = 1
    _check_keys(node)
    if isinstance(node.value, list):
        for each in node.value:
            parts = each if isinstance(each, tuple) else (each,)
            total += sum(_count(part, known, depth + 1) for part in parts)
            if total > MOST:
                raise ValueError(f"it stands for more than {MOST:,} values")
    known[id(node)] = total
    return total


def _check_keys(node: Any) -> None:
    """Raise ValueError with both lines for a key that a table has twice: YAML itself lets the last one win."""
    pairs = node.value if node.id == "mapping" else ()
    lines: dict[str, int] = {}
    for key, _ in pairs:
        if key.id != "scalar" or key.tag.endswith(":merge"):
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ValueError(
                f"line {lines[key.value]} and line {line} both say {key.value!r:.60}; take one of them out"
            )
        lines[key.value] = line
