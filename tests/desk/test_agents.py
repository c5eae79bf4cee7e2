"""The agents of a desk in virtual time: what is in the folder is what is on the shelf, whatever happened in between."""

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.desk.topics import ANSWER, CENSUS, FILED, FOUND, QUESTION, TROUBLE
from loom.errors import ModelFailed
from loom.event import Confidentiality, QoS
from loom.testing import FakeBackend, Probe, virtual_time
from tests.desk.papers import Desk

SOUP = "The soup simmers for twenty minutes.\n"
TRAIN = "The train leaves platform nine.\n"
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "delete", "move", "break", "restart", "away", "wait"]),
        st.sampled_from(["a.txt", "b.md", "c.csv"]),
        st.sampled_from([SOUP, TRAIN, "Tulips grow in spring.\n", "x\0y", ""]),
    ),
    max_size=14,
)


def write(path: Path, text: str, age: float = 60.0) -> Path:
    """A file that was written *age* seconds ago."""
    path.write_text(text)
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))
    return path


def readable(folder: Path) -> dict[str, str]:
    """What a desk should know of the files there, by name."""
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    return {name: text.strip() for name, text in texts.items() if text.strip() and "\0" not in text}


def fall_over(request: Any) -> Any:
    raise ModelFailed("it fell over")


async def ask(desk: Desk, question: str) -> dict[str, Any]:
    probe = Probe(desk.loom.bus, ANSWER)
    await desk.loom.publish(QUESTION, question)
    await desk.loom.idle()
    [answer] = probe.payloads
    return dict(answer)


@settings(max_examples=25, deadline=None)
@given(STEPS)
@virtual_time
async def test_the_shelf_is_what_is_in_the_folder_after_any_history(
    steps: list[tuple[str, str, str]],
) -> None:
    home = Path(tempfile.mkdtemp())
    folder = home / "desk"
    folder.mkdir()
    desk = Desk(home / "data")
    await desk.loom.start()
    try:
        for what, name, text in steps:
            path = folder / name
            there = path.exists()
            if what == "write":
                path.write_text(text)
                await desk.tell("changed" if there else "created", path)
            elif what == "delete" and there:
                path.unlink()
                await desk.tell("deleted", path)
            elif what == "move" and there:
                other = path.rename(folder / f"moved-{name}")
                await desk.tell("moved", other, before=str(path))
            elif what == "away" and there:  # nobody saw it go
                path.unlink()
            elif what == "break":  # told, and gone before it could be read
                await desk.tell("created", folder / "ghost.txt")
            elif what == "restart":  # in the middle of whatever is being done
                await desk.loom.stop(0)
                desk = Desk(home / "data")
                await desk.loom.start()
            elif what == "wait":
                await desk.loom.idle()
        await desk.loom.publish(CENSUS, {"root": str(folder)})
        await desk.loom.idle()
        shown = {name: "\n".join(texts) for name, texts in desk.papers().items()}
        assert {name.removesuffix(".csv") for name in shown} == {
            n.removesuffix(".csv") for n in readable(folder)
        }
        for name, text in readable(folder).items():
            assert shown[name] == text or name.endswith(".csv")
        filed = {path for path, seen in desk.seen().items() if seen.passages}
        assert {Path(path).name for path in filed} == set(shown)
        assert desk.loom.dead_letters == []
    finally:
        await desk.loom.stop()
        shutil.rmtree(home)


@virtual_time
async def test_the_same_file_is_not_read_twice_not_even_after_a_restart(tmp_path: Path) -> None:
    path = write(tmp_path / "soup.txt", SOUP)
    first = Desk(tmp_path / "data")
    async with first.loom:
        await first.tell("created", path)
        await first.tell("changed", path)
        await first.loom.idle()
        assert first.read == 1
    again = Desk(tmp_path / "data")
    async with again.loom:
        await again.tell("created", path)
        await again.loom.idle()
        assert again.read == 0
        assert again.papers() == {"soup.txt": [SOUP.strip()]}


@virtual_time
async def test_a_file_that_was_touched_is_not_embedded_again_and_one_that_was_written_is(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path / "data")
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "a.txt", SOUP))
        await desk.loom.idle()
        await desk.tell("changed", write(tmp_path / "a.txt", SOUP, age=30))
        await desk.loom.idle()
        assert desk.read == 1
        stamp = (tmp_path / "a.txt").stat()
        write(tmp_path / "a.txt", SOUP.replace("s", "z"))  # same size, and set back to the same time
        os.utime(tmp_path / "a.txt", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        await desk.tell("changed", tmp_path / "a.txt")
        await desk.loom.idle()
        assert desk.papers() == {"a.txt": [SOUP.strip()]}  # nothing else can be told of such a change
        now = time.time_ns()
        for text in (TRAIN, TRAIN.replace("nine", "five")):  # of one size, within one moment
            (tmp_path / "a.txt").write_text(text)
            os.utime(tmp_path / "a.txt", ns=(now, now))
            await desk.tell("changed", tmp_path / "a.txt")
            await desk.loom.idle()
            assert desk.papers() == {"a.txt": [text.strip()]}


@virtual_time
async def test_a_question_overtakes_the_files_that_are_being_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    desk.embedder._delay = 1.0
    answers, filed = Probe(desk.loom.bus, ANSWER), Probe(desk.loom.bus, FILED)
    async with desk.loom:
        for number in range(20):
            await desk.tell("created", write(tmp_path / f"{number}.txt", f"{SOUP} number {number}"))
        await asyncio.sleep(5.5)
        before = len(filed.payloads)
        await desk.loom.publish(QUESTION, "How long does the soup simmer?")
        await asyncio.sleep(4.5)  # two calls of a second, each behind one that had begun
        assert len(answers.payloads) == 1
        assert answers.payloads[0]["hits"]
        asked = [request for request in desk.embedder.requests if "How long" in str(request.input)]
        assert [request.qos for request in asked] == [QoS.REALTIME]  # and so first in a worker's queue
        assert desk.embedder.requests[0].qos == QoS.BACKGROUND
        assert before < len(filed.payloads) < 20
        await desk.loom.idle()
        assert len(filed.payloads) == 20


@virtual_time
async def test_answers_name_the_file_and_the_lines_and_differ_with_the_question(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "both.txt", f"{SOUP}\n{TRAIN}"))
        await desk.tell("created", write(tmp_path / "train.txt", f"\n\n{TRAIN}"))
        await desk.loom.idle()
        soup, train = (
            await ask(desk, "When is the soup ready, does it simmer?"),
            await ask(desk, "train platform"),
        )
        assert (soup["line"]["name"], soup["line"]["first"]) == ("both.txt", 1)
        assert (train["line"]["name"], train["line"]["first"]) == ("train.txt", 3)
        nothing = await ask(desk, "Who won the chess championship?")
        assert nothing["hits"] == []
        assert "line" not in nothing
        assert await ask(desk, "  ") == {"question": "", "hits": []}


@virtual_time
async def test_whatever_comes_from_a_file_is_private_and_untrusted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    probe = Probe(desk.loom.bus, "desk.>")
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "a.txt", SOUP))
        await desk.tell("created", write(tmp_path / "b.bin", "\0\1\2 soup"))
        await desk.loom.idle()
        await ask(desk, "soup simmers")
        await desk.tell("deleted", tmp_path / "a.txt")
        await desk.loom.idle()
    told = [
        event
        for event in probe.events
        if not event.topic.startswith("desk.folder") and event.topic != QUESTION
    ]
    assert {event.topic for event in told} == {
        "desk.file", "desk.page", "desk.filed", "desk.trouble", "desk.found", "desk.answer", "desk.gone", "desk.search",
    }  # fmt: skip
    assert {event.label.confidentiality for event in told} == {Confidentiality.PRIVATE}
    assert [event.topic for event in told if not event.label.untrusted] == []
    asked = [*desk.embedder.requests, *desk.classifier.requests]
    shown = [request.label.confidentiality for request in asked if "twenty" in str(request.input)]
    assert (
        shown == [Confidentiality.PRIVATE] * 3
    )  # the passage, the line to quote, the words to tell its kind by


@virtual_time
async def test_what_cannot_be_read_is_told_and_the_desk_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    probe = Probe(desk.loom.bus, TROUBLE)
    async with desk.loom:
        os.mkfifo(tmp_path / "pipe.txt")
        (tmp_path / "link.txt").symlink_to("/etc/hostname")
        (tmp_path / "folder.txt").mkdir()
        for name, text in (("half.json", '{"a": '), ("zeros.txt", "\0\0\0"), ("huge.txt", "x" * 2_000_001)):
            write(tmp_path / name, text)
        for name in ("pipe.txt", "link.txt", "folder.txt", "half.json", "zeros.txt", "huge.txt"):
            await desk.tell("created", tmp_path / name)
        await desk.tell("created", write(tmp_path / "soup.txt", SOUP))
        await desk.loom.idle()
        assert {told["name"]: told["reason"].split(":")[0] for told in probe.payloads} == {
            "pipe.txt": "not an ordinary file",
            "link.txt": "cannot be opened",
            "folder.txt": "not an ordinary file",
            "half.json": probe.payloads[3]["reason"].split(":")[0],
            "zeros.txt": "nothing but zeros",
            "huge.txt": "too large",
        }
        assert "not whole JSON" in probe.payloads[3]["reason"]
        assert set(desk.papers()) == {"soup.txt"}
        write(tmp_path / "half.json", '{"a": "tulips"}', age=30)
        await desk.tell("changed", tmp_path / "half.json")
        write(tmp_path / "soup.txt", "\0\1\2", age=30)
        await desk.tell("changed", tmp_path / "soup.txt")
        await desk.loom.idle()
        assert set(desk.papers()) == {"half.json"}  # what was read of the soup is not what is there


@virtual_time
async def test_a_model_that_fails_for_good_is_told_and_the_next_file_is_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    real = desk.embedder._always
    assert real is not None

    def broken(request: Any) -> Any:
        if "nine" in request.input[0]:
            raise ModelFailed("it fell over")
        return real(request)

    desk.embedder._always = broken
    probe = Probe(desk.loom.bus, TROUBLE)
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "train.txt", TRAIN))
        await desk.tell("created", write(tmp_path / "soup.txt", SOUP))
        await asyncio.sleep(600)
        await desk.loom.idle()
        assert [(told["name"], "it fell over" in told["reason"]) for told in probe.payloads] == [
            ("train.txt", True)
        ]
        assert set(desk.papers()) == {"soup.txt"}


@virtual_time
async def test_a_question_whose_model_fails_is_answered_with_the_reason_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path / "data")
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "soup.txt", SOUP))
        await desk.loom.idle()
        real, desk.embedder._always = desk.embedder._always, fall_over
        assert "it fell over" in (await ask(desk, "soup"))["error"]
        desk.embedder._always = real
        assert (await ask(desk, "soup simmers"))["line"]["name"] == "soup.txt"


@virtual_time
async def test_the_chat_models_words_are_kept_only_when_they_stand_in_the_passages(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    chat = FakeBackend(
        "chat", [{"text": "The soup simmers for twenty minutes."}, {"text": "For 95 days."}, ModelFailed("x")]
    )
    desk.loom.add_model(chat)
    found = Probe(desk.loom.bus, FOUND)
    async with desk.loom:
        await desk.tell("created", write(tmp_path / "soup.txt", SOUP))
        await desk.loom.idle()
        assert (await ask(desk, "How long does the soup simmer?"))[
            "model"
        ] == "The soup simmers for twenty minutes."
        second = await ask(desk, "soup simmers?")
        assert "model" not in second
        assert second["refused"] == "For 95 days."
        third = await ask(desk, "simmers the soup")
        assert third["failed"] == "x"
        assert third["line"]["name"] == "soup.txt"
    assert len(found.payloads) == 3  # the passages came before the words of the model
    prompts = [request.input for request in chat.requests]
    assert len({str(prompt) for prompt in prompts}) == 3


@virtual_time
async def test_a_folder_that_is_away_as_a_whole_is_not_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    folder = tmp_path / "stick"
    folder.mkdir()
    async with desk.loom:
        await desk.tell("created", write(folder / "soup.txt", SOUP))
        await desk.loom.idle()
        folder.rename(tmp_path / "pulled")
        await desk.loom.publish(CENSUS, {"root": str(folder)})
        await desk.loom.idle()
        assert set(desk.papers()) == {"soup.txt"}


@virtual_time
async def test_a_file_that_was_moved_is_there_once_under_its_new_name(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    async with desk.loom:
        path = write(tmp_path / "soup.txt", SOUP)
        await desk.tell("created", path)
        await desk.loom.idle()
        await desk.tell("moved", path.rename(tmp_path / "lunch.txt"), before=str(path))
        await desk.loom.idle()
        assert desk.papers() == {"lunch.txt": [SOUP.strip()]}


@virtual_time
async def test_a_desk_that_is_full_says_so_and_takes_the_file_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loom.desk.reader.MOST_FILES", 2)
    desk = Desk(tmp_path / "data")
    probe = Probe(desk.loom.bus, TROUBLE)
    async with desk.loom:
        for name in ("a.txt", "b.txt", "c.txt"):
            await desk.tell("created", write(tmp_path / name, SOUP))
        await desk.loom.idle()
        assert [told["name"] for told in probe.payloads] == ["c.txt"]
        assert "the desk is full: 2 files" in probe.payloads[0]["reason"]
        (tmp_path / "a.txt").unlink()
        await desk.tell("deleted", tmp_path / "a.txt")
        await desk.tell("changed", tmp_path / "c.txt")
        await desk.loom.idle()
        assert set(desk.papers()) == {"b.txt", "c.txt"}


@virtual_time
async def test_no_file_takes_more_passages_than_it_may_and_neither_do_all_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loom.desk.reader.MOST_IN_ALL", 60)
    desk = Desk(tmp_path / "data")
    filed, trouble = Probe(desk.loom.bus, FILED), Probe(desk.loom.bus, TROUBLE)
    async with desk.loom:
        for name in ("a.txt", "b.txt", "c.txt"):
            await desk.tell("created", write(tmp_path / name, "Another line about many things.\n" * 2000))
        await desk.loom.idle()
        assert [(told["passages"], told["whole"]) for told in filed.payloads] == [(48, False), (12, False)]
        assert [told["name"] for told in trouble.payloads] == ["c.txt"]
