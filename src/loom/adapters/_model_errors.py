"""What a backend's refusal means: (status, headers, body) to a typed error whose text holds no secret. Pure.

A server's own words are shown, for they say what to do; but it may repeat the key or the prompt in them, and errors are
written down. So what of them stands in a key or in the prompt is left out.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from loom.adapters._http_body import parse_json
from loom.adapters._json_fields import count, fields, text
from loom.adapters._retrying import LONGEST, retry_after
from loom.errors import BackendFailed, ContextExceeded, RemoteFailed

MOST_WORDS = 300
"""Characters of a server's message that are shown."""

MOST_PROMPT = 262_144
"""Characters of a prompt that are searched for; of a longer one's refusal the words are not shown at all."""

SHOWN = "***"
OF_KEY, OF_PROMPT = 8, 24
"""The shortest part of a key, and of a prompt, that is left out."""

RETRYABLE = frozenset({408, 409, 425, 429})
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size)|context_length_exceeded|exceed_context_size|prompt is too long"
    r"|maximum (context|prompt) length|too many (input )?tokens|input length .{0,40}exceed|max_model_len",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum (?:context|prompt) length (?:is|of)|context (?:size|window|length)[^0-9]{0,20}|max_model_len=|> ?)"
    r"\s*\(?([0-9]{3,9})",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"model.{0,200}(does not exist|not found|not supported)|invalid model name", re.IGNORECASE | re.DOTALL
)
_MOST_OUT = re.compile(r"max_model_len=([0-9]{1,9})|max_tokens: [0-9]{1,9} > ([0-9]{1,9})")
_FINAL = re.compile(
    r"invalid|authentication|permission|not_found|billing|too_large|quota|content_filter|unsupported"
    r"|BadRequest|\b4(?!08|09|25|29)[0-9]{2}\b",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"must be (in\b|between|non-negative|positive|less|greater|at (least|most)|[<>])|\brange\b"
    r"|(less|greater|larger|more|smaller) than|(above|below) m(ax|in)imum|expected a value [<>]",
    re.IGNORECASE,
)
_SPENT = re.compile(r"insufficient_quota|billing|credit balance", re.IGNORECASE)
_KEYS = re.compile(r"(?i)\b(?:sk|pk|key|gsk|xai|hf)[-_][A-Za-z0-9_*.-]{6,}|\bbearer\s+\S+")
_OPAQUE = re.compile(
    r"(?=[A-Za-z0-9+=_%\\-]*[0-9])[A-Za-z0-9+=_%\\-]{28,}"
)  # whatever it spells, it helps nobody
_EVENT = re.compile(rb"\s*(?:event:[^\n]*\n)?data:([^\n]*)")
_TOKEN = re.compile(r"[^\s'\"`,;:()<>\[\]{}]{6,}")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Refusal(NamedTuple):
    """What a server's error body says: its *words*, and the *code* or type of the error."""

    words: str
    code: str


@dataclass(frozen=True, slots=True)
class Peer:
    """The backend in errors: its *name* there, and the *secrets* that they may not hold."""

    name: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def shown(self, words: str, prompt: Iterable[str] = ()) -> str:
        """*words* of the backend without what of them stands in a secret or in *prompt*."""
        return Hidden(self.secrets, prompt).clean(words)


def refusal(body: bytes) -> Refusal:
    """What *body* says, in the forms of OpenAI, Anthropic, vLLM, Ollama and llama-server; or its plain text.

    LiteLLM sends the error of a stream as an event, whatever the status is.
    """
    event = _EVENT.match(body)
    try:
        said = fields(parse_json(event[1] if event else body))
    except RemoteFailed:
        plain = body.decode("utf-8", "replace").strip()
        return Refusal("" if plain.startswith("<") else plain, "")
    return told(said)


def told(said: Mapping[str, object]) -> Refusal:
    """What an error object, or an object with one under ``error``, says."""
    inner = said.get("error")
    error = inner if isinstance(inner, dict) else said
    words = text(inner) or text(error.get("message")) or text(error.get("detail"))
    code = error.get("code")
    shown = str(code) if isinstance(code, int) else text(code)
    return Refusal(words, f"{text(error.get('type'))} {shown}".strip())


class Status(NamedTuple):
    """The first part of an answer: its status and headers, and *now*, Unix seconds, for the dates in them."""

    code: int
    headers: Mapping[str, str]
    now: float


def failure(peer: Peer, at: Status, said: Refusal, prompt: Iterable[str] = ()) -> BackendFailed:
    """The error for an answer that is none, in which nothing of *prompt* is repeated."""
    status, words = at.code, peer.shown(said.words, prompt)
    shown = f"{peer.name} answered {status}" + (f": {words}" if words else "")
    everything = f"{said.code} {said.words}"
    if status in (400, 413, 422, 500) and _CONTEXT.search(everything[:4096]):
        return ContextExceeded(
            f"{shown}; send less, or name a model with more context", status, _limit(said.words)
        )
    spent = status == 429 and _SPENT.search(everything[:4096]) is not None
    retryable = (status in RETRYABLE or status >= 500) and status not in (501, 505) and not spent
    return BackendFailed(
        shown + _advice(status),
        retryable=retryable,
        status=status,
        retry_after=asked_pause(at.headers, at.now),
    )


def broken_off(peer: Peer, said: Refusal, prompt: Iterable[str] = ()) -> BackendFailed:
    """The error for a failure that is told inside an answer, in which nothing of *prompt* is repeated."""
    words = peer.shown(said.words or said.code, prompt)
    shown = f"{peer.name} broke off: {words or 'it does not say why'}"
    if _CONTEXT.search(f"{said.code} {said.words}"[:4096]):
        return ContextExceeded(
            f"{shown}; send less, or name a model with more context", 0, _limit(said.words)
        )
    return BackendFailed(shown, retryable=_FINAL.search(said.code) is None)


def unknown_model(status: int, said: Refusal) -> bool:
    """Whether the refusal is about the name of the model."""
    about = f"{said.code} {said.words}"[:4096]
    named = "model_not_found" in about or _UNKNOWN_MODEL.search(about) is not None
    return status in (400, 404) and (named or (status == 404 and "not_found_error" in about))


def out_of_range(words: str) -> bool:
    """Whether a refusal is about how large the value of a setting is, not about the setting."""
    return _RANGE.search(words[:4096]) is not None


def most_out(words: str) -> int | None:
    """The largest answer in tokens that a refusal of a larger one names; vLLM and Anthropic do."""
    match = _MOST_OUT.search(words[:4096])
    return count(int(match[1] or match[2])) or None if match else None


def asked_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server wants to be left alone, None where it does not say; at most an hour.

    Retry-After (seconds or a date), else retry-after-ms, else when the limit that is used up fills again: OpenAI's
    ``x-ratelimit-reset-*`` ("6m0s") and Anthropic's ``anthropic-ratelimit-*-reset`` (RFC 3339).
    """
    found = retry_after(headers, now)
    if found is None:
        found = _milliseconds(headers.get("retry-after-ms", ""))
    if found is None:
        found = max(_resets(headers, now), default=None)
    return None if found is None else min(max(found, 0.0), LONGEST)


def duration(words: str) -> float | None:
    """The seconds of "6m0s", "250ms" or "1.5"; None for anything else."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", words):
        return float(words)
    parts = _PART.findall(words[:40])
    if not parts or "".join(number + unit for number, unit in parts) != words:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


class Hidden:
    """What may stand in no error: the keys, and the texts of a prompt."""

    def __init__(self, secrets: Iterable[str] = (), prompt: Iterable[str] = ()) -> None:
        self._secrets = [spelt.lower() for each in secrets if each for spelt in spellings(each)]
        self._prompt = [each.lower() for each in prompt if each]
        self._searchable = sum(map(len, self._prompt)) <= MOST_PROMPT

    def clean(self, words: str) -> str:
        """*words* on one line, short, without any part of a key or of the prompt."""
        if not self._searchable:
            return ""
        line = " ".join("".join(c if c.isprintable() else " " for c in words[: 2 * MOST_WORDS]).split())
        line = _KEYS.sub(SHOWN, _without(line, self._secrets, OF_KEY))
        line = _OPAQUE.sub(SHOWN, _without(line, self._prompt, OF_PROMPT))
        line = _TOKEN.sub(self._telling, line)
        return line if len(line) <= MOST_WORDS else line[:MOST_WORDS] + "..."

    def _telling(self, found: re.Match[str]) -> str:
        """A number, an address or the like, unless it stands in the prompt: those say much in few characters."""
        token = found[0].strip(".!?")
        telling = any(c.isdigit() or c == "@" for c in token)
        return SHOWN if telling and any(token.lower() in each for each in self._prompt) else found[0]


def spellings(secret: str) -> list[str]:
    """*secret* as it is, backwards, and as hexadecimal digits and base64 write it, wherever that begins in it."""
    content = secret.encode("utf-8", "replace")
    shifted = [b64encode(b"\0" * n + content).decode()[4 * (n > 0) :] for n in range(3)]
    return [
        secret,
        secret[::-1],
        content.hex(),
        *shifted,
        *(each.replace("+", "-").replace("/", "_") for each in shifted),
    ]


def _without(line: str, texts: Iterable[str], shortest: int) -> str:
    """*line* with each part of at least *shortest* characters that is in one of *texts*, or all of one, as ``***``."""
    low, kept = line.lower(), [True] * len(line)
    if len(low) != len(line):  # a letter that is two in lower case: rare, and no reason to be clever
        return SHOWN
    for known in texts:
        size = min(shortest, len(known))
        if size < 4:
            continue
        for at in range(len(low) - size + 1):
            if low[at : at + size] in known:
                kept[at : at + size] = [False] * size
    return re.sub("\0+", SHOWN, "".join(c if keep else "\0" for c, keep in zip(line, kept, strict=True)))


def _advice(status: int) -> str:
    if status in (401, 403):
        return "; is `key` right, and may it use this model?"
    if status == 404:
        return "; is `url` right (it mostly ends in /v1), and `model`?"
    return ""


def _limit(words: str) -> int | None:
    match = _LIMIT.search(words[:4096])
    return count(int(match[1])) if match else None


def _milliseconds(words: str) -> float | None:
    found = duration(words)
    return None if found is None else found / 1000


def _resets(headers: Mapping[str, str], now: float) -> list[float]:
    found = []
    for name, value in headers.items():
        if name.startswith("x-ratelimit-reset-") and headers.get(name.replace("reset", "remaining")) == "0":
            found.append(duration(value))
        elif _spent_there(name, headers):
            found.append(_until(value, now))
    return [each for each in found if each is not None]


def _spent_there(name: str, headers: Mapping[str, str]) -> bool:
    there = name.startswith("anthropic-ratelimit-") and name.endswith("-reset")
    return there and headers.get(name.removesuffix("reset") + "remaining") == "0"


def _until(moment: str, now: float) -> float | None:
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return read.replace(tzinfo=read.tzinfo or UTC).timestamp() - now
