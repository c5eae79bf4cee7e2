"""What servers that call themselves compatible do differently, as one small table. Pure.

Seen in the documentation of each, and at work: vLLM 0.32, Ollama 0.17 and llama-server (November 2026). All four take a
JSON schema as ``response_format``: vLLM 0.12 removed ``guided_json`` for ``structured_outputs`` and reads
``response_format`` before and after; Ollama turns it into its own ``format``; llama-server makes a grammar of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loom.adapters._model_errors import out_of_range
from loom.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Dialect:
    """*max_tokens*: the name of that setting; *strict*: it has strict schemas; *logprobs*: they are asked for.

    *pieces*: answers are asked for in pieces even when they are wanted whole. llama-server works on for nobody when who
    asked for a whole answer has left, but not for a stream; of an unknown server the worst is supposed. *usage*: it is
    asked to say at the end of a stream what that took. *temperature*: it takes one. *formats*: it takes a schema as
    OpenAI writes it; otherwise beside ``json_object``, as llama-cpp-python's server does.
    """

    name: str
    max_tokens: str = "max_tokens"
    strict: bool = False
    logprobs: bool = False
    pieces: bool = False
    usage: bool = True
    temperature: bool = True
    formats: bool = True

    def adapted(self, words: str) -> Dialect | None:
        """The dialect of a server that refuses a setting in these *words*; None when they name none of ours."""
        if "response_format" in words and "'json_object'" in words and self.formats:
            return replace(self, formats=False)
        if "max_completion_tokens" in words and self.max_tokens == "max_tokens":
            return replace(
                self, max_tokens="max_completion_tokens"
            )  # as OpenAI's own do, behind another name
        if "logprobs" in words and self.logprobs:
            return replace(self, logprobs=False)
        if "stream_options" in words and self.usage:
            return replace(self, usage=False)
        if "temperature" in words and self.temperature and not out_of_range(words):
            return replace(self, temperature=False)  # models that reason have one of their own
        return None

    def response_format(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """How an answer is bound to *schema*; strictly, where the server can and the schema allows it."""
        if not self.formats:
            return {"type": "json_object", "schema": dict(schema)}
        bound: dict[str, Any] = {"name": "answer", "schema": dict(schema)}
        if self.strict:
            bound["strict"] = closed(schema)
        return {"type": "json_schema", "json_schema": bound}


DIALECTS = {
    each.name: each
    for each in (
        Dialect("openai", strict=True),
        Dialect("vllm", logprobs=True),
        Dialect("ollama"),
        Dialect("llama-server", logprobs=True, pieces=True),
    )
}
_OWNERS = {"vllm": "vllm", "llamacpp": "llama-server", "library": "ollama"}


def make_dialect(name: str, host: str, logprobs: bool | None = None) -> Dialect:
    """The dialect called *name* for a server at *host*; *logprobs* overrides its habit. Raises ConfigError."""
    if name != "auto" and name not in DIALECTS:
        raise ConfigError(f"dialect = {name!r}: use auto, {', '.join(DIALECTS)}")
    found = DIALECTS["openai" if name == "auto" else name]
    own = host == "api.openai.com" or host.endswith(".openai.azure.com")
    if found.name == "openai" and own:
        found = replace(found, max_tokens="max_completion_tokens")
    elif name == "auto":
        found = replace(found, pieces=True)
    return found if logprobs is None else replace(found, logprobs=logprobs)


def recognised(models: list[Mapping[str, Any]]) -> str | None:
    """The dialect of a server whose list of models is *models*; None for one like OpenAI's."""
    for each in models:
        if (found := _OWNERS.get(str(each.get("owned_by")))) is not None:
            return found
    return None


def closed(schema: object, depth: int = 0) -> bool:
    """Whether each object of *schema* names all its properties as required and allows no others: OpenAI's "strict"."""
    if depth > 32:
        return False
    if isinstance(schema, list):
        return all(closed(each, depth + 1) for each in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        named = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != set(named):
            return False
    return all(closed(each, depth + 1) for each in schema.values())
