"""What the extra brings is found when it is there, named when it is not, and looks for nothing on the network."""

import socket
import sys

import pytest

from loom.errors import ConfigError, MissingExtra
from loom.models import ModelRequest
from loom.privacy import Guard, make_detectors
from loom.privacy.detectors import CORE

PERSONS = {
    "fr": "2 55 08 14 168 025 38", "it": "RCCMNL83S18D969H", "es": "54362315-K", "ch": "756.9217.0769.85",
    "fi": "131052-308T", "us": "536-90-4399",
    "br": "390.533.447-05", "mx": "BOXW310820HNERXN09",
}  # fmt: skip
TOLD = {
    "BSN": "111222333",
    "PESEL": "44051401359",
    "Steueridentifikationsnummer": "36 574 261 809",
    "NHS": "943-476-5870",
}


def test_national_numbers_are_found_by_their_check_digits() -> None:
    pytest.importorskip("stdnum")
    guard = Guard(make_detectors(["stdnum"]))
    for value in PERSONS.values():
        assert value not in guard.outbound(ModelRequest("chat", f"Here: {value}, ok")).request.input, value
    for word, value in TOLD.items():
        assert value not in guard.outbound(ModelRequest("chat", f"my {word} is {value}.")).request.input, (
            value
        )
        assert value in guard.outbound(ModelRequest("chat", f"order {value}.")).request.input
    assert "536-90-4390x" in guard.outbound(ModelRequest("chat", "no: 536-90-4390x")).request.input


def test_presidio_finds_papers_and_reaches_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("presidio_analyzer")

    def refused(*_: object) -> None:
        raise AssertionError("a detector reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    guard = Guard(make_detectors(["presidio", "core"]))
    text = "My social security number is 536-90-4399, mail bob@example.com, see https://example.com/x"
    outbound = guard.outbound(ModelRequest("chat", text))
    assert "536-90-4399" not in outbound.request.input
    assert "bob@example.com" not in outbound.request.input
    assert outbound.restore(outbound.request.input) == text
    monkeypatch.setattr("loom.privacy._presidio.LONGEST", 200)
    long = guard.outbound(ModelRequest("chat", "word " * 400 + text))
    assert "536-90-4399" not in long.request.input


@pytest.mark.parametrize(("name", "package"), [("stdnum", "stdnum"), ("presidio", "presidio_analyzer")])
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (package, "spacy"):
        monkeypatch.setitem(sys.modules, each, None)
    monkeypatch.delitem(sys.modules, f"loom.privacy._{name}", raising=False)
    with pytest.raises(MissingExtra, match="privacy"):
        make_detectors([name])


def test_detectors_are_made_by_name() -> None:
    assert [each.name for each in make_detectors()] == list(CORE)
    assert [each.name for each in make_detectors(["card", "mail", "card"])] == ["card", "mail"]
    assert make_detectors([]) == []
    with pytest.raises(ConfigError, match="did you mean 'phone'"):
        make_detectors(["phones"])
    with pytest.raises(ConfigError, match="use core, mail"):
        make_detectors(["xyz"])
