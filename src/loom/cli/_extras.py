"""What each extra brings, and whether it is there."""

from __future__ import annotations

import importlib.util

# The name to import, and the package that brings it.
EXTRAS: dict[str, dict[str, str]] = {
    "worker": {"google.protobuf": "protobuf"},
    "vision": {
        "google.protobuf": "protobuf",
        "numpy": "numpy",
        "PIL": "pillow",
        "ai_edge_litert": "ai-edge-litert",
    },
    "voice": {
        "google.protobuf": "protobuf",
        "numpy": "numpy",
        "soxr": "soxr",
        "faster_whisper": "faster-whisper",
        "hibari": "hibari-tts",
        "onnxruntime": "onnxruntime",
    },
    "llm": {"xllamacpp": "xllamacpp", "onnxruntime": "onnxruntime", "tokenizers": "tokenizers"},
    "onnx": {"onnxruntime": "onnxruntime", "tokenizers": "tokenizers"},
    "litert": {"ai_edge_litert": "ai-edge-litert"},
    "http": {"httpx": "httpx", "websockets": "websockets"},
    "cloud": {"httpx": "httpx", "yaml": "pyyaml"},
    "mqtt": {"aiomqtt": "aiomqtt"},
    "camera": {"cv2": "opencv-python-headless"},
    "desktop": {"watchdog": "watchdog", "psutil": "psutil"},
    "web": {"starlette": "starlette", "uvicorn": "uvicorn"},
    "cli": {"rich": "rich"},
    "privacy": {"stdnum": "python-stdnum", "presidio_analyzer": "presidio-analyzer"},
    "cron": {"cronsim": "cronsim", "tzdata": "tzdata"},
    "crypto": {"cryptography": "cryptography"},
    "rocksdb": {"rocksdict": "rocksdict"},
}


def missing(extra: str) -> list[str]:
    """The packages of *extra* that cannot be imported."""
    return [package for name, package in EXTRAS[extra].items() if not there(name)]


def there(name: str) -> bool:
    """Whether a module can be found; nothing but the packages around it is imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # a package around it is missing
        return False
