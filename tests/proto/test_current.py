"""The generated code in the repository is what the schema says."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_generated_code_is_current() -> None:
    pytest.importorskip(
        "grpc_tools", reason="grpcio-tools (pinned in requirements/test.txt) is not installed"
    )
    command = [sys.executable, str(ROOT / "scripts" / "proto"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_message_and_enum_is_documented() -> None:
    for path in (ROOT / "proto" / "loom" / "v1").glob("*.proto"):
        lines = path.read_text().splitlines()
        for before, line in itertools.pairwise(lines):
            if line.startswith("message ") and path.name == "plugin.proto" and "Slot {" not in line:
                assert before.startswith("//"), f"{path.name}: {line} has no comment"
