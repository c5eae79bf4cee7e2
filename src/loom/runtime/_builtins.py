"""What a project file may use by a plain name; each leads to a row of the runtime's table of late imports."""

from __future__ import annotations

from typing import Any

from loom.adapters.local_model import factory
from loom.models.catalog import BACKENDS
from loom.runtime._backends import load

BUILTINS: dict[str, dict[str, str]] = {
    "sources": {
        "camera": "camera",
        "clipboard": "clipboard",
        "clock": "clock",
        "folder": "folder",
        "microphone": "microphone",
        "wav": "wav",
        "stdin": "stdin",
        "system": "system",
        "touch": "touch",
        "http_poll": "http_poll",
        "mqtt": "mqtt",
        "wyoming": "wyoming",
        "sse": "sse",
        "websocket": "websocket",
    },
    "actions": {
        "speaker": "speaker",
        "wav_speaker": "wav_speaker",
        "console": "console",
        "file": "file",
        "notify": "notify",
        "process": "process",
        "ui": "ui",
        "http_request": "http_request",
        "openapi": "openapi",
        "mqtt": "mqtt_sink",
        "wyoming": "wyoming_sink",
        "wyoming_service": "wyoming_service",
    },
    "models": {
        **{name: f"catalog:{name}" for name in BACKENDS},
        **{name: name for name in ("anthropic", "openai", "vllm")},
    },
}


def load_builtin(row: str) -> Any:
    """The factory behind a row; raises MissingExtra when its package is not installed."""
    kind, _, name = row.rpartition(":")
    return factory(name) if kind == "catalog" else load(row)
