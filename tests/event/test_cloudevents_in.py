"""CloudEvents of strangers: read by the standard where that can be, refused by name where not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import InvalidEvent
from loom.event import Event
from loom.event.cloudevents import (
    FOREIGN,
    from_cloudevent,
    to_cloudevent,
    topic_of,
)

FIELDS = (
    "id", "type", "payload", "topic", "source", "tags", "metadata", "confidence", "priority", "timestamp_ms", "key",
    "deadline_ms", "label", "thread", "scope", "cause", "hop", "trace",
)  # fmt: skip
FULL = {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.example.order.made"}

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "loom:nameless", "a/b", "a b", "\x7f", "%", "%41"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)


def facts(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in FIELDS}


def test_a_strangers_event_is_read_by_the_standard() -> None:
    event, seq = from_cloudevent(
        {
            "specversion": "1.0", "id": "A234-1234", "source": "https://example.com/storage?x=1#y",
            "type": "com.example.object.deleted", "subject": "/images/new file.jpg",
            "time": "2018-04-05T17:31:00.123456+02:00", "dataschema": "https://example.com/schema",
            "comexampleextension1": "value", "comexampleothervalue": 5, "flag": True, "unset": None,
            "traceparent": "00-1-2-01", "datacontenttype": "text/xml; charset=iso-8859-1", "data": "<much wow=\"ö\"/>",
        }
    )  # fmt: skip
    assert (event.id, event.source, event.type) == (
        "A234-1234", "https://example.com/storage?x=1#y", "com.example.object.deleted",
    )  # fmt: skip
    assert event.topic == "images.new_file.jpg"
    assert event.timestamp_ms == 1522942260123
    assert (event.payload, event.content_type) == ('<much wow="ö"/>', "text/xml; charset=utf-8")
    assert event.metadata == {
        "dataschema": "https://example.com/schema", "comexampleextension1": "value", "comexampleothervalue": "5",
        "flag": "true",
    }  # fmt: skip
    assert (event.trace, event.label, event.priority, seq) == ("00-1-2-01", FOREIGN, 50, None)


@pytest.mark.parametrize(
    ("attributes", "topic"),
    [
        ({}, "com.example.order.made"),
        ({"subject": "orders/42"}, "orders.42"),
        ({"subject": "..."}, "com.example.order.made"),
        ({"subject": "a*b.>"}, "a_b._"),
        ({"type": "///"}, "cloudevents"),
        ({"subject": "orders", "loomtopic": "shop.orders"}, "shop.orders"),
    ],
)
def test_a_topic_is_found_for_every_event(attributes: dict[str, str], topic: str) -> None:
    assert from_cloudevent({**FULL, **attributes})[0].topic == topic


@given(st.text(max_size=30))
def test_any_text_makes_a_topic_or_none(text: str) -> None:
    from loom.event.topic import check_topic

    topic = topic_of(text.encode("utf-8", "replace").decode())
    assert topic == "" or check_topic(topic)


@pytest.mark.parametrize(
    ("member", "payload", "kind"),
    [
        ({"data": {"a": [1]}}, {"a": [1]}, "application/json"),
        ({"data": "x"}, "x", "application/json"),
        ({"data": None}, None, None),
        ({}, None, None),
        ({"data": "<a/>", "datacontenttype": "application/xml"}, b"<a/>", "application/xml"),
        ({"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/json"}, {"a": 1}, "application/json"),
        ({"data_base64": "AA=="}, b"\0", "application/octet-stream"),
        ({"data_base64": "AA==", "data": None}, b"\0", "application/octet-stream"),
        ({"data": 5, "datacontenttype": "application/problem+json"}, 5, "application/problem+json"),
        ({"data": "5", "datacontenttype": "text/plain; charset=utf-8; format=flowed"}, "5",
         "text/plain; charset=utf-8; format=flowed"),
    ],
)  # fmt: skip
def test_data_of_strangers(member: dict[str, Any], payload: object, kind: str | None) -> None:
    event, _ = from_cloudevent({**FULL, **member})
    assert (event.payload, event.content_type) == (payload, kind)
    assert facts(from_cloudevent(to_cloudevent(event))[0]) == facts(event)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"specversion": "0.3"}, "'specversion' is '0.3': this Loom reads CloudEvents 1.0"),
        ({"specversion": 1.0}, "'specversion' is 1.0"),
        ({"id": ""}, "'id' is ''"),
        ({"id": None}, "'id' is missing"),
        ({"source": 5}, "'source' is 5"),
        ({"type": ["x"]}, "'type'"),
        ({"type": "\ud800"}, "'type'.*half a character"),
        ({"subject": ""}, "'subject' is ''"),
        ({"time": "yesterday"}, "'time' is 'yesterday': it must be a moment such as"),
        ({"time": "2026-02-30T00:00:00Z"}, "'time'"),
        ({"time": "2026-02-28T00:00:00"}, "'time'"),
        ({"time": "2026-W07-1T00:00:00Z"}, "'time'"),
        ({"time": 5}, "'time'"),
        ({"Upper": "x"}, "'Upper': names are lower-case"),
        ({"under_score": "x"}, "'under_score'"),
        ({"": "x"}, "''"),
        ({5: "x"}, "5: names"),
        ({"list": []}, r"'list' is \[\]: it must be a text, a whole number, true or false"),
        ({"half": 0.5}, "'half' is 0.5"),
        ({"huge": 10**5000}, "'huge' is a number of more than 64 bits"),
        ({"data": 1, "data_base64": "AA=="}, "'data' and 'data_base64'"),
        ({"data_base64": "A"}, "'data_base64' is 'A': it is not base64"),
        ({"data_base64": 5}, "'data_base64'"),
        ({"data": {"x": math.nan}}, "'data': data.x is nan"),
        ({"data": ["\ud800"]}, "'data'"),
        ({"data": 5, "datacontenttype": "text/plain"}, "'data' is 5: data of type 'text/plain' must be a text"),
        ({"data": "\ud800", "datacontenttype": "text/plain"}, "'data'"),
        ({"data_base64": "/w==", "datacontenttype": "text/plain"}, "'data': payload is not UTF-8"),
        ({"data_base64": "/w==", "datacontenttype": "application/json"}, "'data': payload is not JSON"),
        ({"data_base64": "AA==", "datacontenttype": "application/x-loom-buffer; dtype=evil"}, "'data': .*evil"),
        ({"datacontenttype": ""}, "'datacontenttype'"),
        ({"loomtopic": "a.>"}, "'loomtopic': .*wildcard"),
        ({"loomtopic": 5}, "'loomtopic' is 5"),
        ({"loomlabel": "secret"}, "'loomlabel' is 'secret': no label"),
        ({"loomlabel": ""}, "'loomlabel'"),
        ({"loomlabel": 0}, "'loomlabel' is 0"),
        ({"loompriority": 101}, "'loompriority' is 101: it must be a whole number from 0 to 100"),
        ({"loompriority": True}, "'loompriority'"),
        ({"loompriority": "high"}, "'loompriority'"),
        ({"loomconfidence": "1.5"}, "'loomconfidence'"),
        ({"loomconfidence": "nan"}, "'loomconfidence'"),
        ({"loomconfidence": "-0.1"}, "'loomconfidence'"),
        ({"loomconfidence": True}, "'loomconfidence'"),
        ({"loomhop": -1}, "'loomhop'"),
        ({"loomhop": 2**32}, "'loomhop'"),
        ({"loomseq": "-1"}, "'loomseq'"),
        ({"loomseq": "١"}, "'loomseq'"),
        ({"loomseq": str(2**63)}, "'loomseq'"),
        ({"loomtime": "x"}, "'loomtime'"),
        ({"loomdeadline": "soon"}, "'loomdeadline' is 'soon': it must be a moment"),
        ({"loomtags": "red"}, "'loomtags' is 'red': it must be the JSON of a list"),
        ({"loomtags": "[1]"}, "'loomtags'.*list of texts"),
        ({"loomtags": '["\\ud800"]'}, "'loomtags'"),
        ({"loommetadata": "[]"}, "'loommetadata'.*an object"),
        ({"loommetadata": '{"a":1}'}, "'loommetadata'.*object of texts"),
        ({"loomexact": '{"payload":"x"}'}, "'loomexact'.*it may have texts for id, source"),
        ({"loomexact": '{"id":""}'}, "'loomexact'.*must not be empty"),
        ({"loomexact": '{"topic":"a b"}'}, "'loomtopic'"),
        ({"loomexact": "{" * 100_000}, "'loomexact'"),
        ({"loomkey": 5}, "'loomkey' is 5: it must be a text"),
        ({"traceparent": 5}, "'traceparent'"),
        ({"partitionkey": 5}, "'partitionkey'"),
    ],
    ids=lambda value: next(iter(map(str, value))) if isinstance(value, dict) else "",
)  # fmt: skip
def test_hostile_attributes_are_refused_by_name(attributes: dict[Any, Any], named: str) -> None:
    with pytest.raises(InvalidEvent, match=named) as caught:
        from_cloudevent({**FULL, **attributes})
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("obj", [None, 5, "x", [], [("id", "1")]])
def test_what_is_no_object_is_refused(obj: object) -> None:
    with pytest.raises(InvalidEvent, match="a CloudEvent is a JSON object, not"):
        from_cloudevent(obj)


loose = st.dictionaries(
    st.sampled_from([*FULL, "subject", "time", "datacontenttype", "data", "data_base64", "loomtopic", "loomlabel",
                     "loomkey", "loomhop", "loomtags", "loommetadata", "loomexact", "loomseq", "loomtime",
                     "loomdeadline", "loomconfidence", "loompriority", "traceparent", "partitionkey", "own"]),
    json_values | st.sampled_from(["1.0", "text/plain", "application/json", "AA==", "[]", "{}", '{"id":"x"}', "public",
                                   "2026-11-22T19:34:53Z", "application/x-loom-buffer; dtype=int16; shape=1"]),
)  # fmt: skip


@given(loose)
def test_any_object_is_an_invalid_event_or_one_that_comes_back(loose: dict[str, Any]) -> None:
    try:
        event, seq = from_cloudevent({**FULL, **loose})
    except InvalidEvent:
        return
    assert facts(from_cloudevent(to_cloudevent(event, seq))[0]) == facts(event)
