"""The Sphinx decoder and its files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._packaged import packaged_file

PACKAGE = "pocketsphinx"
PINNED = f"{PACKAGE}==5.1.1"
ACOUSTIC, DICTIONARY, LANGUAGE = "en-us", "cmudict-en-us.dict", "en-us.lm.bin"
PATIENCE = 60.0
NEEDED = (f"{ACOUSTIC}/mdef", f"{ACOUSTIC}/means", DICTIONARY, LANGUAGE)


def decoder(config: Mapping[str, Any], **settings: object) -> Any:
    """A decoder for dictation, or for what *settings* say; raises MissingExtra, or ModelFailed naming the path."""
    try:
        from pocketsphinx import Config, Decoder
    except ImportError:
        raise MissingExtra("voice", PACKAGE) from None
    path = directory(config)
    files: dict[str, object] = {"hmm": str(path / ACOUSTIC), "dict": str(path / DICTIONARY)}
    language: dict[str, object] = {} if settings else {"lm": str(path / LANGUAGE)}
    chosen = {"lm": None, **files, **language, "loglevel": "FATAL", **settings}
    if "model" in config:
        _try_elsewhere(path, chosen)
    try:
        return Decoder(Config(**chosen))
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelFailed(f"{path} cannot be loaded: {error}; {_again()}") from None


def _try_elsewhere(path: Path, settings: Mapping[str, object]) -> None:
    # A file that is cut short ends the process that loads it: let that be another one.
    script = "import json, sys, pocketsphinx as p; p.Decoder(p.Config(**json.loads(sys.argv[1])))"
    command = [sys.executable, "-I", "-c", script, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise ModelFailed(f"{path} cannot be loaded: it is no Sphinx model, or cut short; {_again()}")


def directory(config: Mapping[str, Any]) -> Path:
    """Where the model's files are; raises ModelFailed naming what is missing, and the command."""
    given = config.get("model")
    if given is None:
        return [packaged_file(PACKAGE, f"model/en-us/{name}", PINNED) for name in NEEDED][-1].parent
    path = Path(str(given)).expanduser()
    missing = [name for name in NEEDED if not (path / name).is_file()]
    if missing:
        raise ModelFailed(f"{path} has no {', '.join(missing)}: it is no Sphinx model; {_again()}")
    return path


def _again() -> str:
    return f"give another directory, or run: pip install --force-reinstall {PINNED}"
