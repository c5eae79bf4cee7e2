"""What a project file says of any model beside its own settings."""

from __future__ import annotations

from typing import Any

import pytest

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.models import FREE, Price
from loom.router.model_facts import contradiction, split, state


def wrong(key: str, what: str) -> ConfigError:
    return ConfigError(f"loom.toml:7: {what}")


def test_what_a_model_does_not_take_itself_is_said_of_it() -> None:
    values = {
        "file": "x",
        "price": {"in": 1, "out": 2.5},
        "quality": 0.6,
        "clearance": "Local_Only",
        "context": 4096,
    }
    rest, facts = split(values, ("file", "context"), wrong)
    assert rest == {"file": "x", "context": 4096}
    assert facts["price"] == Price(1, 2.5)
    assert facts["clearance"] is Confidentiality.LOCAL_ONLY
    assert (facts["quality"], facts["context"]) == (0.6, 4096)


def test_what_a_model_takes_itself_is_handed_to_it_in_its_own_words() -> None:
    values = {"price": {"in": 1, "call": 0.1}, "clearance": "private", "concurrency": 4}
    rest, facts = split(values, ("price", "clearance", "concurrency"), wrong)
    assert rest["price"] == {"million_in": 1, "million_out": 0.0, "call": 0.1, "second": 0.0}
    assert (rest["clearance"], rest["concurrency"], facts) == ("private", 4, {})
    assert split({"price": 0}, (), wrong)[1] == {"price": FREE}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"clearance": "privat"}, "clearance = 'privat': did you mean 'private'?"),
        ({"clearance": 3}, "clearance = 3: use one of"),
        ({"price": "1 EUR"}, "price = '1 EUR': use 0"),
        ({"price": {"inn": 1}}, "price has no 'inn'; did you mean 'in'?"),
        ({"price": {"in": -1}}, "price must be a number"),
        ({"price": {"in": 2, "million_in": 1}}, "price says 'million_in' and the same by another name"),
        ({"price": {"in": float("nan")}}, "price must be a number"),
        ({"price": True}, "price = True"),
        ({"quality": 1.2}, "quality must be a number from 0 to 1, not 1.2"),
        ({"context": 0}, "context must be a whole number"),
        ({"concurrency": 1.5}, "concurrency must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as found:
        split(values, (), wrong)
    assert str(found.value).startswith(f"loom.toml:7: {said}")


def test_a_clearance_that_contradicts_the_location_is_told_with_both_lines() -> None:
    lines = {"clearance": "loom.toml:3", "location": "loom.toml:9"}
    told = contradiction({"clearance": "local_only", "location": "edge"}, lines.__getitem__)
    assert told.startswith('loom.toml:3: clearance = "local-only" contradicts loom.toml:9: location = "edge"')
    assert contradiction({"clearance": "local-only", "location": "local"}, lines.__getitem__) == ""


class Plain:
    location, context = "cloud", 100


class Closed:
    __slots__ = ()
    location = "local"


def test_a_model_says_it_of_itself_unless_it_knows_better() -> None:
    model = Plain()
    state(model, {"context": 5, "quality": 0.5, "price": FREE})
    assert (model.context, model.quality, model.price) == (100, 0.5, FREE)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="never leaves"):
        state(model, {"clearance": Confidentiality.LOCAL_ONLY})
    with pytest.raises(ConfigError, match="Closed does not let it"):
        state(Closed(), {"quality": 0.5})
