"""The how-to page: its project file builds, its programs run, its tables name what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.web.endpoints import ENDPOINTS
from loom.web.openapi import TOLD
from loom.web.wishes import HEADERS
from tests.web.conftest import Capable, says

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "gateway.md").read_text()
PROGRAMS: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def program(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, "page", "exec"), names)
    return names


def test_its_project_file_builds(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    build(parse_project(text, tmp_path / "loom.toml")).abandon()


async def test_its_clients_are_answered(serve: Any) -> None:
    async with serve() as gateway:
        answers = [await program(text)["ask"](gateway.url) for text in PROGRAMS[:2]]
    assert re.fullmatch(r"Hello you \(route local, decision \S+\)", answers[0])
    assert answers[1] == "Hello you"


@pytest.mark.blocks("the program makes a gateway as programs do, at its start")
async def test_its_gateway_runs() -> None:
    assert (await program(PROGRAMS[2])["serve"](Capable("chat", says))).startswith("http://127.0.0.1:")


async def test_its_curl_is_answered(serve: Any) -> None:
    (command,) = re.findall(r"```sh\n(curl .*?)```", PAGE, re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    headers = dict(words[n + 1].split(": ", 1) for n, each in enumerate(words) if each == "-H")
    body = words[words.index("-d") + 1].encode()
    async with serve() as gateway:
        import httpx

        async with httpx.AsyncClient() as client:
            answer = await client.post(
                words[2].replace("http://127.0.0.1:8420", gateway.url), headers=headers, content=body
            )
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Hello you"


@pytest.mark.parametrize("name", [*HEADERS, *TOLD, *(each.path for each in ENDPOINTS)])
def test_its_tables_name_everything(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_programs_are_all_run() -> None:
    assert len(PROGRAMS) == 3
