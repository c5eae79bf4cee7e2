"""Models behind vLLM, or behind its Semantic Router: OpenAI's API, and what the server says of itself beside it."""

from __future__ import annotations

from pathlib import Path

from loom.adapters._remote_model import RemoteModel
from loom.adapters.openai import openai


def vllm(
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
    concurrency: int = 32,
    tasks: list[str] | None = None,
    logprobs: bool | None = None,
    metrics: bool = True,
    strict: bool = False,
    headers: dict[str, str] | None = None,
    allow: list[str] | None = None,
    private: bool = False,
    timeout: float = 120.0,
    idle: float = 60.0,
    ca: str | None = None,
) -> RemoteModel:
    """``use = "vllm"``: as ``use = "openai"``, in vLLM's dialect, and with its load as signals.

    The server's list of models says the context; ``/metrics`` beside its ``/v1`` says the requests that run and wait
    and the use of the KV cache, asked for while it is used; *metrics* = false leaves that out. What the Semantic
    Router says in ``x-vsr-*`` headers becomes signals, too. Raises ConfigError, MissingExtra.
    """
    return openai(
        name, home, url=url, model=model, key=key, location=location, clearance=clearance, price=price,
        quality=quality, context=context, concurrency=concurrency, tasks=tasks, dialect="vllm", logprobs=logprobs,
        metrics=metrics, strict=strict, headers=headers, allow=allow, private=private, timeout=timeout, idle=idle,
        ca=ca,
    )  # fmt: skip
