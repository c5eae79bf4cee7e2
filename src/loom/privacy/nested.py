"""Inputs, options and outputs as trees: mappings and sequences of texts, numbers, truths and nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from loom.errors import NotRedacted
from loom.privacy.opaque import looking
from loom.privacy.steps import Steps, done

DEPTH = 64
"""How deep a tree may be."""
NODES = 200_000
"""How many values a tree may have."""
CHARACTERS = 16_000_000
"""How many characters a tree may have."""
_NODE = 16  # characters that could be looked at while a value is

_TELLING = re.compile(
    r"(?:(?:.*[_\-. ])?(?:pass|pwd|pw|psk|secrets?|token|credentials?|authorization|auth|cookie|pin|cvv2?|cvc2?|otp|"
    r"clave|senha|has[łl]o)|"
    r".*(?:pass(?:word|code|phrase|wd|wort)s?|kennwort|pwd|secret|token|wachtwoord|contrase[ñn]a|mot de passe|"
    r"парол[ьяе]|密码|密碼|パスワード|비밀번호|sess(?:ion)?[_\- ]?id|"
    r"(?:api|access|private|secret|account|master|signing|encryption|subscription|shared|storage|license)[_\- ]?key))"
    r"(?:[_\-]?(?:hash|base|prod|dev|test|\d{1,2}))?\Z",
    re.IGNORECASE,
)
_NAMES = ("name", "key")


def telling(key: object) -> bool:
    """Whether what stands under *key* is a secret, whatever it looks like."""
    return isinstance(key, str) and _TELLING.match(key) is not None


def readable(*trees: object) -> bool:
    """Whether all of *trees* can be redacted: no bytes, arrays, objects or files in base64, within the limits above."""
    return done(reading(*trees))


def reading(*trees: object) -> Steps[bool]:
    """`readable` in steps."""
    todo = [(tree, 0) for tree in trees]
    nodes = characters = 0
    while todo:
        value, depth = todo.pop()
        nodes += 1
        yield _NODE
        if isinstance(value, str):
            characters += len(value)
            if characters > CHARACTERS or (yield from looking(value)):
                return False
        elif isinstance(value, Mapping):
            todo += ((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple):
            todo += ((part, depth + 1) for part in value)
        elif value is not None and not isinstance(value, bool | int | float):
            return False
        if depth > DEPTH or nodes + len(todo) > NODES:
            return False
    return True


Leaf = Callable[[str | int | float, bool], Steps[object]]


def mapped(tree: object, leaf: Leaf, told: bool = False) -> Steps[object]:
    """*tree* with `leaf(value, told)` for each text and number, keys included; *told*: it stands under a telling key.

    Raises NotRedacted for what is no tree of texts, and for keys that become one.
    """
    yield _NODE
    if isinstance(tree, str):
        return (yield from leaf(str(tree), told))
    if tree is None or isinstance(tree, bool):
        return tree
    if isinstance(tree, int | float):
        return (yield from leaf(tree, told))
    if isinstance(tree, Mapping):
        result: dict[object, object] = {}
        named = any(telling(tree.get(each)) for each in _NAMES)
        for name, value in tree.items():
            key = yield from mapped(name, leaf)
            result[key] = yield from mapped(value, leaf, told or telling(name) or (named and name == "value"))
        if len(result) == len(tree):
            return result
        raise NotRedacted(
            "two keys of a mapping cannot be told apart once they are redacted; rename one of them"
        )
    if isinstance(tree, list | tuple):
        parts: list[object] = []
        for part in tree:
            parts.append((yield from mapped(part, leaf, told)))  # noqa: PERF401 - a comprehension cannot yield
        return parts
    raise NotRedacted(f"a {type(tree).__name__} cannot be redacted, only texts, numbers, lists and mappings")


def texts(tree: object) -> list[str]:
    """Every text in *tree*, in order, keys and what is text in bytes included; of a tree without end the beginning."""
    found: list[str] = []
    todo, left = [tree], NODES
    while todo and left:
        value, left = todo.pop(), left - 1
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, bytes | bytearray):
            found.append(value.decode(errors="replace"))
        elif isinstance(value, Mapping):
            todo += [part for pair in value.items() for part in pair][::-1]
        elif isinstance(value, list | tuple):
            todo += value[::-1]
    return found


def said(tree: object) -> list[str]:
    """What the messages of *tree* say, in order, as a reader puts it together: nothing between one and the next."""
    found: list[str] = []
    for message in tree if isinstance(tree, list | tuple) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list | tuple) else (content,):
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                found.append(text)
    return found
