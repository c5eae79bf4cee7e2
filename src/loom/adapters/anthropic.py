"""Models behind a server that speaks Anthropic's messages API: Anthropic itself, llama-server, and others."""

from __future__ import annotations

from pathlib import Path

from loom.adapters._anthropic_chat import MessagesWire
from loom.adapters._model_settings import Reach, make_about, reach
from loom.adapters._remote_model import Link, RemoteModel
from loom.adapters._served_models import ServedModels
from loom.adapters._server_signals import ServerSignals

HOST = "api.anthropic.com"
URL = "https://api.anthropic.com/v1"
VERSION = "2023-06-01"
FEATURES = frozenset({"tools", "schema"})


def anthropic(
    name: str,
    home: Path | None = None,
    *,
    url: str = URL,
    model: str = "",
    key: str = "",
    location: str = "cloud",
    clearance: str | None = None,
    price: dict[str, float] | float | None = None,
    quality: float | None = None,
    context: int | None = None,
    concurrency: int = 8,
    strict: bool = False,
    headers: dict[str, str] | None = None,
    allow: list[str] | None = None,
    private: bool = False,
    timeout: float = 120.0,
    idle: float = 60.0,
    ca: str | None = None,
) -> RemoteModel:
    """``use = "anthropic"``: chat by the messages API at *url*; the settings are those of ``use = "openai"``.

    Raises ConfigError, MissingExtra.
    """
    values = dict(
        model=model, location=location, clearance=clearance, price=price, quality=quality, context=context,
        concurrency=concurrency, timeout=timeout, strict=strict, features=FEATURES,
    )  # fmt: skip
    made = make_about(name, values)
    shown = {"anthropic-version": VERSION, **(headers or {})}
    how = Reach(url, key, "x-api-key", "", shown, allow, private, idle, ca)
    http, peer = reach(made, home, how)
    link = Link(http, peer, ServedModels(http, model), ServerSignals())
    return RemoteModel(made, link, {"chat": MessagesWire(peer, http.origin.target.host != HOST)})
