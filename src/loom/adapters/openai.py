"""Models behind any server that speaks OpenAI's API: OpenAI itself, vLLM, Ollama, llama-server, and many more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loom.adapters._exchange import Bounds
from loom.adapters._model_call import Wire
from loom.adapters._model_errors import Peer
from loom.adapters._model_http import ModelHttp
from loom.adapters._model_settings import Reach, make_about, make_tasks, reach
from loom.adapters._openai_chat import ChatWire
from loom.adapters._openai_dialects import Dialect, make_dialect, recognised
from loom.adapters._openai_responses import ResponsesWire
from loom.adapters._openai_sounds import HearingWire, SpeakingWire
from loom.adapters._openai_vectors import VectorsWire
from loom.adapters._remote_model import Link, RemoteModel
from loom.adapters._served_models import ServedModels
from loom.adapters._server_signals import ServerSignals
from loom.errors import ConfigError

TASKS = ("chat", "embed", "transcribe", "speak")
APIS: dict[str, Callable[[Peer, Dialect], Wire]] = {"chat": ChatWire, "responses": ResponsesWire}
METRICS = Bounds(idle=5.0, response=4_194_304, connections=1, waiting=1)


def openai(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    model: str = "",
    key: str = "",
    location: str = "cloud",
    clearance: str | None = None,
    price: dict[str, float] | float | None = None,
    quality: float | None = None,
    context: int | None = None,
    concurrency: int = 8,
    tasks: list[str] | None = None,
    dialect: str = "auto",
    api: str = "chat",
    voice: str = "alloy",
    logprobs: bool | None = None,
    metrics: bool = False,
    strict: bool = False,
    headers: dict[str, str] | None = None,
    allow: list[str] | None = None,
    private: bool = False,
    timeout: float = 120.0,
    idle: float = 60.0,
    ca: str | None = None,
) -> RemoteModel:
    """``use = "openai"``: the server whose API is at *url*, mostly ending in ``/v1``.

    *model* is asked for, without it the first that the server lists. *key* is ``env:NAME`` or ``file:PATH``. *location*
    is cloud, edge or local, *clearance* the highest label that may be sent there: public, unless said, for a server
    that is not local; neither is guessed from the URL, but what is local is at a loopback address.
    *price* is a table of in, out, call and second, or 0; *quality* 0 to 1, *context* in tokens.
    *tasks* are some of chat (the default), embed, transcribe and speak (with *voice*). *dialect* is openai, vllm,
    ollama, llama-server, or auto: what the list of models looks like. *api* is chat or responses. *logprobs* are asked
    for where they cost nothing; *metrics*: the load of a vLLM is watched. *strict*: an answer of another model is an
    error. *timeout* seconds a request may take that does not say itself, *idle* those between two pieces. *allow*,
    *private*, *headers* and *ca* as for the other network adapters. Raises ConfigError, MissingExtra.
    """
    features = {"tools", "schema"}
    values = dict(
        model=model, location=location, clearance=clearance, price=price, quality=quality, context=context,
        concurrency=concurrency, timeout=timeout, strict=strict,
    )  # fmt: skip
    if api not in APIS:
        raise ConfigError(f"api = {api!r}: use chat or responses")
    chosen = make_tasks(tasks, TASKS)
    how = Reach(url, key, headers=headers, allow=allow, private=private, idle=idle, ca=ca)
    about = make_about(name, values)
    http, peer = reach(about, home, how)
    spoken = make_dialect(dialect, http.origin.target.host, logprobs)
    if spoken.logprobs and api == "chat":
        features.add("logprobs")
    made: list[RemoteModel] = []

    def seen(models: list[Mapping[str, Any]]) -> None:
        """The server has listed its models: it is known which kind it is."""
        kind = recognised(models) if dialect == "auto" else None
        for each in made if kind else ():
            found = make_dialect(kind or dialect, http.origin.target.host, logprobs)
            each.speak(make_wires(peer, found, api, voice))
            each.features |= {"logprobs"} if found.logprobs and api == "chat" else set()

    watched = ModelHttp(name, http.origin, METRICS) if metrics else None
    served = ServedModels(http, model, seen)
    link = Link(http, peer, served, ServerSignals(watched, model, served))
    wires = make_wires(peer, spoken, api, voice)
    about = replace(about, features=frozenset(features))
    made.append(RemoteModel(about, link, {task: wires[task] for task in chosen}))
    return made[0]


def make_wires(peer: Peer, dialect: Dialect, api: str, voice: str) -> dict[str, Wire]:
    """The formats of all tasks."""
    return {
        "chat": APIS[api](peer, dialect),
        "embed": VectorsWire(peer),
        "transcribe": HearingWire(peer),
        "speak": SpeakingWire(peer, voice),
    }
