"""A JSGF grammar that is safe to compile: the compiler's time grows without bound with nesting and repeated rules."""

from __future__ import annotations

import re
from collections.abc import Mapping

from loom.errors import ModelFailed

LONGEST = 10_000
DEEPEST = 8
MOST_WORDS = 500
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"(?:public\s+)?<([\w.-]{1,64})>\s*=([^;]*);", re.IGNORECASE)
_TOKEN = re.compile(r"<[^<>]*>|[\[\](){}|*+]|[^\s\[\](){}|*+<>]+")


def checked_grammar(text: str) -> str:
    """*text*, when it is a JSGF grammar of at most 500 words with its rules written out, nested at most 8 deep.

    Raises ModelFailed saying what is wrong; imports and rules that contain themselves are refused.
    """
    if len(text) > LONGEST or re.search(r"[^\t\r\n\x20-\x7e]", text):
        raise ModelFailed(f"a grammar is at most {LONGEST:,} printable ASCII characters, not {len(text):,}")
    if not re.match(r"\s*#JSGF\b", text, re.IGNORECASE):
        raise ModelFailed(
            'a grammar begins with "#JSGF V1.0;", then "grammar NAME;" and "public <RULE> = ...;"'
        )
    plain = _COMMENT.sub(" ", text)
    if re.search(r"\bimport\b", plain, re.IGNORECASE):
        raise ModelFailed("a grammar may not import others: write all rules into it")
    rules = {name: _tokens(name, body) for name, body in _RULE.findall(plain)}
    if not re.search(r"\bpublic\s+<", plain, re.IGNORECASE) or not rules:
        raise ModelFailed('a grammar needs a rule to begin with: "public <RULE> = ...;"')
    words = sum(_size(name, rules, (), {}) for name in rules)
    if words > MOST_WORDS:
        raise ModelFailed(
            f"the grammar has {words:,} words with its rules written out, at most {MOST_WORDS}; split it"
        )
    return text


def _tokens(name: str, body: str) -> list[str]:
    tokens = _TOKEN.findall(body)
    depth = deepest = 0
    for token in tokens:
        depth += (token in "([{") - (token in ")]}")
        deepest = max(deepest, depth)
    if depth or deepest > DEEPEST:
        raise ModelFailed(
            f"the grammar's rule <{name}> has {deepest} nested brackets, at most {DEEPEST}, or unbalanced ones"
        )
    return tokens


def _size(name: str, rules: Mapping[str, list[str]], inside: tuple[str, ...], known: dict[str, int]) -> int:
    if name in inside:
        raise ModelFailed(
            f"the grammar's rule <{name}> contains itself ({' > '.join((*inside, name))}); use * or +"
        )
    if name not in known:
        known[name] = sum(_weight(token, rules, (*inside, name), known) for token in rules[name])
    return known[name]


def _weight(
    token: str, rules: Mapping[str, list[str]], inside: tuple[str, ...], known: dict[str, int]
) -> int:
    if not token.startswith("<"):
        return int(token[0].isalnum())
    named = token[1:-1].strip()
    if named in ("NULL", "VOID"):
        return 0
    if named not in rules:
        raise ModelFailed(f"the grammar names rule <{named[:64]}>, which it does not define")
    if len(inside) > DEEPEST:
        raise ModelFailed(f"the grammar's rule <{inside[0]}> leads through more than {DEEPEST} rules")
    return _size(named, rules, inside, known)
