"""What models are asked is checked before they see it; state by session is bounded; files are what packages brought."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed
from loom.event.codec import Buffer
from loom.models import _packaged
from loom.models._packaged import existing, packaged_file
from loom.models._pcm import pcm_of, seconds
from loom.models._recording import Recording
from loom.models._request import Asked, check, number
from loom.models._sessions import MOST, Sessions


def test_sound_is_bytes_or_an_array_of_samples() -> None:
    assert pcm_of(b"") == b""
    assert pcm_of(b"ab") == b"ab"
    assert pcm_of(bytearray(b"ab")) == b"ab"
    assert pcm_of(memoryview(b"ab")) == b"ab"
    assert pcm_of(Buffer(b"abcd", "int16", (2,), 16000)) == b"abcd"
    assert seconds(bytes(32000)) == 1.0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"abc", "3 bytes"),
        (7, "not int"),
        ("sound", "not str"),
        (None, "not NoneType"),
        ([1, 2], "not list"),
        (Buffer(b"abcd", "float32"), "float32"),
        (Buffer(b"abcd", "int16", (1, 2)), "shape"),
        (Buffer(b"abcd", "int16", (2,), 44100), "44100"),
    ],
)
def test_what_is_no_sound_is_refused_and_said_why(wrong: object, says: str) -> None:
    with pytest.raises(ModelFailed, match=says):
        pcm_of(wrong)


@pytest.mark.parametrize("body", [None, 7, "x", {}, {"options": {}}, [], {"input": 1, "options": 3}])
def test_a_body_of_another_form_is_refused(body: object) -> None:
    with pytest.raises(ModelFailed, match="not"):
        Asked.from_body(body)


def test_options_have_their_types() -> None:
    asked = Asked.from_body({"input": 1, "options": {"session": 3, "reset": "yes", "long": "x" * 300}})
    for wrong in (lambda: asked.text("session"), lambda: asked.text("long"), lambda: asked.flag("reset")):
        with pytest.raises(ModelFailed, match="option"):
            wrong()
    assert Asked.from_body({"input": 1, "options": None}).text("session", "d") == "d"


@pytest.mark.parametrize("value", [True, "1", -1, 11, float("nan"), float("inf"), []])
def test_numbers_are_within_their_bounds(value: object) -> None:
    with pytest.raises(ModelFailed, match="0 to 10"):
        number({"n": value}, "n", 5, 0, 10)
    assert number({}, "n", 5, 0, 10) == 5


def test_a_cancelled_call_stops() -> None:
    check(None)
    check(SimpleNamespace(cancelled=False))
    with pytest.raises(ModelFailed, match="cancelled"):
        check(SimpleNamespace(cancelled=True))


@given(st.lists(st.tuples(st.integers(0, 6).map(str), st.booleans()), max_size=40))
def test_sessions_are_bounded_and_the_one_unused_for_longest_goes(asked: list[tuple[str, bool]]) -> None:
    sessions: Sessions[list[str]] = Sessions(list, 3)
    order: dict[str, list[str]] = {}
    for name, reset in asked:
        got = sessions.get(name, reset)
        kept = None if reset else order.pop(name, None)
        order.pop(name, None)
        assert kept is None or got is kept
        order[name] = got
        if len(order) > 3:
            del order[next(iter(order))]
        assert len(sessions) == len(order)


def test_sixty_four_sessions_are_kept() -> None:
    sessions: Sessions[list[str]] = Sessions(list)
    for name in range(200):
        sessions.get(str(name))
    assert len(sessions) == MOST == 64


def test_a_call_without_a_session_stands_alone() -> None:
    sessions: Sessions[list[str]] = Sessions(list)
    assert sessions.get("") is not sessions.get("")
    assert len(sessions) == 0
    sessions.get("a")
    sessions.forget("a")
    sessions.forget("a")
    assert len(sessions) == 0


def test_a_recording_has_an_end() -> None:
    recording = Recording(1.0)
    recording.add(bytes(32000))
    with pytest.raises(ModelFailed, match="limit of 1 s"):
        recording.add(bytes(2))
    assert recording.pcm() == b""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file of 5 bytes as a package recorded it."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"model")
    recorded = metadata.PackagePath("thing/model.bin")
    recorded.hash = metadata.FileHash("sha256=k3KIzZNfRveaEZE_YiKc-I-a0d9v1UonVzI0eP5IOMo")
    recorded.size = 5
    recorded.dist = SimpleNamespace(locate_file=lambda _: path)  # type: ignore[assignment]
    monkeypatch.setattr(_packaged.metadata, "files", lambda _: [recorded])
    return path


def test_a_packaged_file_is_the_one_that_was_installed(package: Path) -> None:
    import base64
    import hashlib

    recorded = (_packaged.metadata.files("thing") or [])[0]
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"model").digest()).rstrip(b"=").decode()
    recorded.hash = metadata.FileHash(f"sha256={digest}")
    assert packaged_file("thing", "model.bin", "thing==1") == package
    package.write_bytes(b"mode")
    with pytest.raises(
        ModelFailed, match=r"model\.bin has 4 bytes instead of 5; run: .*--force-reinstall.*thing==1"
    ):
        packaged_file("thing", "model.bin", "thing==1")
    package.write_bytes(b"other")
    with pytest.raises(ModelFailed, match=r"is not the file that thing==1 brought; run"):
        packaged_file("thing", "model.bin", "thing==1")
    package.unlink()
    with pytest.raises(ModelFailed, match=r"model\.bin cannot be read.*run"):
        packaged_file("thing", "model.bin", "thing==1")


def test_a_package_that_is_not_there_is_named_with_its_command() -> None:
    with pytest.raises(
        ModelFailed, match=r"model\.bin of no-such-thing is not installed; run: .*no-such-thing==1"
    ):
        packaged_file("no-such-thing", "model.bin", "no-such-thing==1")


def test_a_given_file_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path / "none", tmp_path / "empty", tmp_path, 7, ""):
        with pytest.raises(ModelFailed, match="a model"):
            existing(path, "a model", "pip install it")
