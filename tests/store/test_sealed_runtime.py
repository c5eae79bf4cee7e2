"""A runtime with a key: nothing private is in its files, and everything is there again after a restart."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from pathlib import Path

import pytest

from loom import Agent, Label, Loom, action, on
from loom.errors import MissingKey, WrongKey
from loom.event import Confidentiality
from loom.store._master_key import generate_key_file
from loom.store.crypto import KeySealer, shred
from loom.store.sealed import open_store

PRIVATE = Label(Confidentiality.PRIVATE)
WORD = "cucumber"  # what nobody may find


@action("tts.speak", timeout=5)
async def speak(text: str) -> None:
    pass


class Ear(Agent):
    """Remembers, acts, sets timers, and fails at some words."""

    heard: list[str] = []

    @on("mic.>")
    async def hear(self, event, ctx):
        text = event.payload["text"]
        self.heard = [*self.heard, text]
        ctx.act("tts.speak", text=f"you said {text}")
        ctx.after(3600, "remind.me", {"text": text})
        ctx.publish("ear.heard", {"text": text})
        if "fail" in text:
            raise ValueError(f"cannot bear {text}")

    @on("ask.>")
    async def tell(self, event, ctx):
        raise ValueError(f"I was told {self.heard}")


async def live(folder: Path, key: str | None, *texts: str, subject: str = "ann") -> list[str]:
    """One life of the runtime: what is said in it, and what the ear has heard at its end."""
    async with Loom(data=folder, key=key) as loom:
        loom.add(speak, Ear)
        for text in texts:
            await loom.publish("mic.kitchen", {"text": text}, label=PRIVATE, metadata={"subject": subject})
        await loom.idle()
        return list(loom.agent("Ear").instance.heard)


def seen(folder: Path) -> list[str]:
    """The files in which the word can be found, as it is or in base64."""
    forms = [WORD.encode(), *(b64encode(b"x" * n + WORD.encode())[4:10] for n in range(3))]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture
def key(tmp_path: Path) -> str:
    generate_key_file(str(tmp_path / "a.key"))
    return str(tmp_path / "a.key")


def test_nothing_private_is_in_the_files_and_all_of_it_after_a_restart(
    tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    folder = tmp_path / "data"
    texts = [WORD, f"{WORD} {'long ' * 400}", f"{WORD} again"]
    asyncio.run(live(folder, key, *texts))
    assert seen(folder) == []
    assert asyncio.run(live(folder, key, f"{WORD} fails", "and goes on")) == [*texts, "and goes on"]
    assert seen(folder) == []


def test_the_error_of_a_public_event_may_tell_what_is_private(
    tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def ask() -> int:
        async with Loom(data=tmp_path / "data", key=key) as loom:
            loom.add(speak, Ear)
            await loom.publish("ask.anything")
            await loom.idle()
            return len(loom.dead)

    asyncio.run(live(tmp_path / "data", key, WORD))
    assert asyncio.run(ask()) == 1
    assert seen(tmp_path / "data") == []


def test_without_a_key_it_is_there_to_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above looks in the right place."""
    monkeypatch.delenv("LOOM_KEY", raising=False)
    asyncio.run(live(tmp_path / "data", None, WORD))
    assert seen(tmp_path / "data") != []


def test_a_runtime_does_not_start_with_a_wrong_key_or_without_one(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    generate_key_file(str(tmp_path / "b.key"))
    asyncio.run(live(tmp_path / "data", key, WORD))
    with pytest.raises(WrongKey):
        Loom(data=tmp_path / "data", key=str(tmp_path / "b.key"))
    with pytest.raises(MissingKey):
        Loom(data=tmp_path / "data")
    assert asyncio.run(live(tmp_path / "data", key)) == [WORD]


def test_what_was_shredded_was_never_there_for_agents(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "data"
    asyncio.run(live(folder, key, WORD, f"{WORD} {'long ' * 400}"))
    store = open_store(folder, key)
    assert isinstance(store.sealer, KeySealer)
    assert shred(store.backend, store.sealer, "ann") == 1
    store.close()
    assert asyncio.run(live(folder, key, "hello", subject="bob")) == ["hello"]
    assert asyncio.run(live(folder, key)) == ["hello"]


def test_a_state_of_several_people_is_nobodys_and_survives(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "data"
    asyncio.run(live(folder, key, "one"))
    asyncio.run(live(folder, key, "two", subject="bob"))
    store = open_store(folder, key)
    assert isinstance(store.sealer, KeySealer)
    shred(store.backend, store.sealer, "ann")
    store.close()
    assert asyncio.run(live(folder, key)) == ["one", "two"]
