"""What the tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from loom.cli.main import main
from tests.cli.folders import Do


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Do:
    """`loom store` in an empty folder, without a key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOOM_KEY", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["store", *arguments])
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return call
