"""The one table of what is loaded late: by name, when first needed, with the extra that brings its package."""

from __future__ import annotations

import importlib
from typing import Any

from loom.errors import MissingExtra

LATE = {
    "router": ("loom.router.assembly", "make_router", "worker"),
    "surroundings": ("loom.router.assembly", "Surroundings", "worker"),
    "listen": ("loom.router.profiles", "listen", "worker"),
    "settings": ("loom.router.settings", "read_settings", "worker"),
    "telling": ("loom.router.telling", "Telling", "worker"),
    "processes": ("loom.worker", "ProcessPool", "worker"),
    "camera": ("loom.adapters.camera_source", "camera", "vision"),
    "wyoming": ("loom.adapters.wyoming", "wyoming", "voice"),
    "wyoming_service": ("loom.adapters.wyoming_service", "wyoming_service", "voice"),
    "wyoming_sink": ("loom.adapters.wyoming", "wyoming_sink", "voice"),
    "mqtt": ("loom.adapters.mqtt", "mqtt", "mqtt"),
    "mqtt_sink": ("loom.adapters.mqtt", "mqtt_sink", "mqtt"),
    "http_poll": ("loom.adapters.http_poll", "http_poll", "http"),
    "sse": ("loom.adapters.sse", "sse", "http"),
    "websocket": ("loom.adapters.websocket", "websocket", "http"),
    "openapi": ("loom.adapters.openapi", "openapi", "http"),
    "http_request": ("loom.adapters.http_request", "http_request", "http"),
    "folder": ("loom.adapters.folder", "folder", "desktop"),
    "clipboard": ("loom.adapters.clipboard", "clipboard", "desktop"),
    "clock": ("loom.adapters.clock_source", "clock", "cron"),
    "stdin": ("loom.adapters.stdin", "stdin", "desktop"),
    "system": ("loom.adapters.system", "system", "desktop"),
    "touch": ("loom.adapters.touch", "touch", "desktop"),
    "microphone": ("loom.adapters.microphone", "microphone", "voice"),
    "speaker": ("loom.adapters.speaker", "speaker", "voice"),
    "wav_speaker": ("loom.adapters.speaker", "wav_speaker", "voice"),
    "wav": ("loom.adapters.wav", "wav", "voice"),
    "console": ("loom.adapters.console", "console", "desktop"),
    "file": ("loom.adapters.file_sink", "file", "desktop"),
    "notify": ("loom.adapters.notify", "notify", "desktop"),
    "stdnum": ("loom.privacy._stdnum", "make", "privacy"),
    "presidio": ("loom.privacy._presidio", "make", "privacy"),
    "openai": ("loom.adapters.openai", "openai", "cloud"),
    "anthropic": ("loom.adapters.anthropic", "anthropic", "cloud"),
    "vllm": ("loom.adapters.vllm", "vllm", "cloud"),
    "process": ("loom.adapters.process", "process", "desktop"),
    "gateway": ("loom.web", "gateway", "web"),
    "gateway_keys": ("loom.web", "KeyFile", "web"),
    "gateway_client": ("loom.web", "new_client", "web"),
    "ui": ("loom.adapters.show", "ui", "desktop"),
}


def load(name: str) -> Any:
    """The object behind *name* in the table; raises MissingExtra when its package is not installed."""
    module, attribute, extra = LATE[name]
    try:
        return getattr(importlib.import_module(module), attribute)
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra(extra, error.name or module) from error
