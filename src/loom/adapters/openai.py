"""Models behind any server that speaks OpenAI's API: OpenAI itself, vLLM, Ollama, llama-server, and many more."""

from __future__ import annotations

from pathlib import Path

from loom.adapters._model_call import Wire
from loom.adapters._model_settings import Reach, make_about, make_tasks, reach
from loom.adapters._openai_chat import ChatWire
from loom.adapters._openai_dialects import make_dialect
from loom.adapters._remote_model import RemoteModel
from loom.adapters._served_models import ServedModels

TASKS = ("chat",)


def openai(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    model: str = "",
    key: str = "",
    location: str = "cloud",
    clearance: str = "public",
    price: dict[str, float] | float | None = None,
    quality: float | None = None,
    context: int | None = None,
    concurrency: int = 8,
    tasks: list[str] | None = None,
    dialect: str = "auto",
    logprobs: bool | None = None,
    strict: bool = False,
    headers: dict[str, str] | None = None,
    allow: list[str] | None = None,
    private: bool = False,
    timeout: float = 120.0,
    idle: float = 60.0,
    ca: str | None = None,
) -> RemoteModel:
    """``use = "openai"``: the server at *url*. Raises ConfigError, MissingExtra."""
    values = dict(
        model=model, location=location, clearance=clearance, price=price, quality=quality, context=context,
        concurrency=concurrency, timeout=timeout, strict=strict, features=frozenset({"tools", "schema"}),
    )  # fmt: skip
    made = make_about(name, values)
    how = Reach(url, key, headers=headers, allow=allow, private=private, idle=idle, ca=ca)
    http, peer = reach(name, home, how, made.concurrency)
    spoken = make_dialect(dialect, http.origin.target.host, logprobs)
    wires: dict[str, Wire] = {"chat": ChatWire(peer, spoken)}
    chosen = {task: wires[task] for task in make_tasks(tasks, TASKS)}
    return RemoteModel(made, http, peer, chosen, ServedModels(http, model))
