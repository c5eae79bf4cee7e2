"""Chat completions: what is sent, what is read, and the law that it does not matter where the network cuts."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._anthropic_chat import MessagesWire
from loom.adapters._chat_asked import chat_asked
from loom.adapters._model_errors import Peer
from loom.adapters._openai_chat import ChatWire
from loom.adapters._openai_dialects import DIALECTS, closed, make_dialect, recognised
from loom.adapters._openai_responses import ResponsesWire
from loom.adapters._openai_sounds import HearingWire, SpeakingWire
from loom.adapters._openai_vectors import VectorsWire
from loom.adapters._remote_model import _pieces, same_model
from loom.adapters._tool_names import ToolNames
from loom.errors import BackendFailed, ConfigError, ModelFailed
from loom.models import ModelRequest, Usage
from tests.adapters.model_server import HI, HI_EVENTS, calling, chat, chunk, completion, events, stream

PEER = Peer("the backend", ("sk-planted",))
TOOLS = [
    {
        "name": "light.on",
        "description": "Turn it on",
        "parameters": {"type": "object", "properties": {"room": {}}},
    },
    {"name": "light__on"},
]
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Light!"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "a", "name": "light.on", "arguments": {"room": "hall"}},
            {"id": "b", "name": "light.on", "arguments": {}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "done"},
    {"role": "tool", "tool_call_id": "b", "content": "failed"},
]


def sent(request: ModelRequest, wire: Any = None, model: str = "m", streams: bool = False) -> Any:
    """The body of a request."""
    return json.loads((wire or ChatWire(PEER, DIALECTS["openai"])).talk(request).call(model, streams).body)


def read(body: Any, wire: Any = None, request: ModelRequest | None = None) -> Any:
    """What an answer means."""
    talk = (wire or ChatWire(PEER, DIALECTS["openai"])).talk(request or chat("hi", tools=TOOLS))
    return talk.answer({}, json.dumps(body).encode())


def test_a_plain_question_sends_nothing_that_was_not_asked_for() -> None:
    assert sent(chat("hi")) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert "model" not in sent(chat("hi"), model="")
    streamed = sent(chat("hi"), streams=True)
    assert (streamed["stream"], streamed["stream_options"]) == (True, {"include_usage": True})


def test_every_option_has_its_place() -> None:
    body = sent(
        chat(
            "hi",
            system="S",
            max_tokens=5,
            temperature=0.5,
            stop="x",
            seed=3,
            tools=TOOLS,
            tool_choice="required",
        )
    )
    assert body["messages"][0] == {"role": "system", "content": "S"}
    assert (body["max_tokens"], body["temperature"], body["stop"], body["seed"]) == (5, 0.5, ["x"], 3)
    assert body["tool_choice"] == "required"
    names = [each["function"]["name"] for each in body["tools"]]
    assert names[0] == "light__on"
    assert len(set(names)) == 2, "two tools never get one name"


@pytest.mark.parametrize("length", [40, 56, 58])
def test_names_that_would_be_one_are_told_apart_however_long(length: int) -> None:
    long = "a" * length
    names = [f"{long}__bb_2", f"{long}__bb", f"{long}.bb", f"{long}__bb_3", f"{long}.bb_2"]
    tools = [{"name": each, "description": "", "parameters": {"type": "object"}} for each in names]
    known = ToolNames(chat_asked("hi", {"tools": tools}))
    made = [known.sent(each) for each in names]
    assert [known.back(each) for each in made] == names
    assert max(map(len, made)) <= 64


def test_a_conversation_with_tools_is_written_as_they_want_it() -> None:
    messages = sent(chat(TALK, tools=TOOLS))["messages"]
    assert messages[2]["content"] is None
    function = messages[2]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("light__on", {"room": "hall"})
    assert messages[3] == {"role": "tool", "content": "done", "tool_call_id": "a"}


STRICT = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_a_schema_is_strict_where_it_can_be() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    for schema, strict in ((STRICT, True), (loose, False)):
        made = sent(chat("hi", schema=schema))["response_format"]
        assert made["type"] == "json_schema"
        assert made["json_schema"]["schema"] == schema
        assert made["json_schema"]["strict"] is strict
    assert closed({"type": "array", "items": STRICT})
    assert not closed({"anyOf": [STRICT, loose]})
    for name in ("vllm", "ollama", "llama-server"):
        made = sent(chat("hi", schema=STRICT), ChatWire(PEER, DIALECTS[name]))["response_format"]
        assert "strict" not in made["json_schema"]


def test_dialects_differ_in_little() -> None:
    asked = chat("hi", max_tokens=5)
    assert sent(asked, ChatWire(PEER, make_dialect("auto", "api.openai.com")))["max_completion_tokens"] == 5
    assert sent(asked, ChatWire(PEER, make_dialect("auto", "example.org")))["max_tokens"] == 5
    assert sent(asked, ChatWire(PEER, make_dialect("vllm", "x")))["logprobs"] is True
    assert "logprobs" not in sent(asked, ChatWire(PEER, make_dialect("vllm", "x", False)))
    with_tools = chat("hi", tools=TOOLS)
    assert "logprobs" not in sent(with_tools, ChatWire(PEER, DIALECTS["llama-server"]), streams=True)
    assert recognised([{"owned_by": "llamacpp"}]) == "llama-server"
    assert recognised([{"owned_by": "vllm"}]) == "vllm"
    assert recognised([{"owned_by": "library"}]) == "ollama"
    assert recognised([{"owned_by": ["x"]}, {}]) is None
    with pytest.raises(ConfigError, match="llama-server"):
        make_dialect("gpt", "x")


@pytest.mark.parametrize(
    ("input", "options", "why"),
    [
        (b"\xff\xfe", {}, "not bytes"),
        (None, {}, "NoneType"),
        ([], {}, "list"),
        ("", {}, "nothing is asked"),
        ([{"role": "system", "content": "x"}], {}, "nothing is asked"),
        ([{"role": "robot", "content": "x"}], {}, "robot"),
        ([{"role": "user", "content": b"x"}], {}, "bytes"),
        ([{"role": "tool", "content": "x"}], {}, "tool_call_id"),
        ([{"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}], {}, "tool call"),
        ("hi", {"colour": 1}, "'colour'"),
        ("hi", {"max_tokens": 0}, "max_tokens"),
        ("hi", {"temperature": math.nan}, "temperature"),
        ("hi", {"stop": [""]}, "stop"),
        ("hi", {"schema": {"a": {1, 2}}}, "schema"),
        ("hi", {"schema": {"a": math.inf}}, "schema"),
        ("hi", {"tools": [{"name": "two words"}]}, "two words"),
        ("hi", {"tools": [{"name": "a"}, {"name": "a"}]}, "two tools"),
        ("hi", {"tool_choice": "required"}, "no tools"),
        ("hi", {"tool_choice": "light"}, "light"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    input: object, options: Any, why: str
) -> None:
    with pytest.raises(ModelFailed, match=why) as caught:
        chat_asked(input, options)
    assert not isinstance(caught.value, BackendFailed)


def test_an_answer_says_what_it_took_and_why_it_ended() -> None:
    answer = read(completion("Hello"))
    assert answer.output == {"text": "Hello", "tokens_in": 7, "tokens_out": 2, "stopped": "end"}
    assert (answer.usage, answer.model, answer.estimated) == (Usage(7, 2), "m", False)
    cut = completion(choices=[{"message": {"content": "He"}, "finish_reason": "length"}])
    assert read(cut).output["stopped"] == "length"
    parts = completion(choices=[{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}])
    assert read(parts).output["text"] == "ab"
    refused = completion(
        choices=[{"message": {"content": None, "refusal": "No."}, "finish_reason": "content_filter"}]
    )
    assert (read(refused).output["text"], read(refused).output["filtered"]) == ("No.", True)


def test_probabilities_of_tokens_are_confidence() -> None:
    logs = {
        "content": [
            {"token": "a", "logprob": math.log(0.5)},
            {"token": "b", "logprob": math.log(0.125)},
            7,
            {},
            {"token": "c", "logprob": -(10**400)},
        ]
    }
    choices = [{"message": {"content": "ab"}, "logprobs": logs, "finish_reason": "stop"}]
    assert read(completion(choices=choices)).output["confidence"] == 0.25
    assert "confidence" not in read(completion()).output


def test_calls_of_tools_come_back_under_their_own_names() -> None:
    output = read(calling(("a", "light__on", '{"room": "hall"}'), ("b", "unheard_of", ""))).output
    assert output["stopped"] == "tools"
    assert output["tool_calls"] == [
        {"id": "a", "name": "light.on", "arguments": {"room": "hall"}},
        {"id": "b", "name": "unheard_of", "arguments": {}},
    ]


def piece(
    index: int | None, id: str | None = None, name: str | None = None, arguments: str = ""
) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    call = {"function": function} | ({"id": id} if id else {}) | ({} if index is None else {"index": index})
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


@pytest.mark.parametrize(
    "pieces",
    [
        [
            piece(0, "a", "light__on", '{"ro'),
            piece(1, "b", "x", '{"n"'),
            piece(0, None, None, 'om": 1}'),
            piece(1, arguments=": 2}"),
        ],
        [piece(0, "a", "light__on", '{"room": 1}'), piece(0, "b", "x", '{"n": 2}')],
        [
            piece(None, "a", "light__on", '{"ro'),
            piece(None, arguments='om": 1}'),
            piece(None, "b", "x", '{"n": 2}'),
        ],
        [
            piece(0, "a", "light__on", '{"ro'),
            piece(0, "a", None, 'om": 1}'),
            piece(1, "b", "x", '{"n": 2}'),
        ],
    ],
    ids=["interleaved", "one index for all", "no index", "id each time"],
)
def test_calls_in_pieces_are_put_together(pieces: list[Any]) -> None:
    items = asyncio.run(read_stream(stream(*pieces, chunk(finish="tool_calls")), chat("hi", tools=TOOLS)))
    assert items[-1]["tool_calls"] == [
        {"id": "a", "name": "light.on", "arguments": {"room": 1}},
        {"id": "b", "name": "x", "arguments": {"n": 2}},
    ]


def test_a_flood_of_calls_is_cut() -> None:
    flood = [piece(n, f"c{n}", "x", "{}") for n in range(200)]
    with pytest.raises(BackendFailed, match="128"):
        asyncio.run(read_stream(stream(*flood)))
    with pytest.raises(BackendFailed, match="characters"):
        asyncio.run(read_stream(stream(*[piece(0, "a", "x", "y" * 100_000)] * 11)))


class Told:
    """An exchange that has its body already, in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.headers = {"content-type": "text/event-stream"}
        self.status, self.who, self.understood = 200, "the backend", False
        self._pieces = pieces

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for each in self._pieces:
            yield each


WIRES = {"openai": ChatWire(PEER, DIALECTS["openai"]), "responses": ResponsesWire(PEER, DIALECTS["openai"]),
         "anthropic": MessagesWire(PEER)}  # fmt: skip


async def read_stream(
    content: bytes | list[bytes], request: ModelRequest | None = None, wire: Any = WIRES["openai"]
) -> list[Any]:
    """Texts, and the whole output last."""
    reader = wire.talk(request or chat("hi")).reader()
    exchange: Any = Told([content] if isinstance(content, bytes) else content)
    texts: list[Any] = [each async for each in _pieces(exchange, reader)]
    return [*texts, reader.answer().output]


RESPONSES = events(
    {"type": "response.created", "response": {"model": "m", "status": "in_progress"}},
    {"type": "response.output_text.delta", "delta": "Hi"},
    {"type": "response.output_text.delta", "delta": " thére"},
    {"type": "response.completed", "response": {
        "model": "m", "status": "completed", "usage": {"input_tokens": 7, "output_tokens": 2},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi thére"}]}]}},
)  # fmt: skip
VALID = {"openai": stream(*HI), "responses": RESPONSES, "anthropic": events(*HI_EVENTS)}


@pytest.mark.parametrize("kind", VALID)
@given(sizes=st.lists(st.integers(0, 40), max_size=60))
def test_where_the_network_cuts_does_not_matter(kind: str, sizes: list[int]) -> None:
    content, pieces = VALID[kind], []
    for size in sizes:
        pieces.append(content[:size])
        content = content[size:]
    found = asyncio.run(read_stream([*pieces, content], wire=WIRES[kind]))
    assert found == asyncio.run(read_stream(VALID[kind], wire=WIRES[kind]))
    assert found[:-1] == ["Hi", " thére"]
    assert found[-1] == {"text": "Hi thére", "tokens_in": 7, "tokens_out": 2, "stopped": "end"}


WORDS = st.sampled_from(
    ["choices", "delta", "message", "content", "tool_calls", "function", "arguments", "name", "index", "logprobs", "id",
     "logprob", "seconds", "finish_reason", "usage", "error", "type", "output", "response", "text", "data", "embedding",
     "content_block", "response.completed", "content_block_delta", "message_start", "tool_use", "input_json_delta",
     "function_call"]
)  # fmt: skip
NUMBERS = st.integers(-9, 2**70) | st.just(10**400) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", WIRES)
@given(value=st.dictionaries(WORDS, VALUES, max_size=6), raw=st.binary(max_size=80))
def test_garbage_is_a_typed_error_or_an_answer(kind: str, value: Any, raw: bytes) -> None:
    for content in (raw, b"data: " + raw + b"\n\n", f"data: {json.dumps(value)}\n\n".encode() * 2):
        try:
            asyncio.run(read_stream(content, wire=WIRES[kind]))
        except BackendFailed:
            pass
    whole_answers(WIRES[kind], chat("hi", tools=None), value, raw)


@given(value=st.dictionaries(WORDS, VALUES, max_size=6), raw=st.binary(max_size=80))
def test_garbage_of_other_tasks_is_a_typed_error_or_an_answer(value: Any, raw: bytes) -> None:
    whole_answers(VectorsWire(PEER), ModelRequest("embed", ["a"]), value, raw)
    whole_answers(HearingWire(PEER), ModelRequest("transcribe", b"\0\0"), value, raw)
    whole_answers(SpeakingWire(PEER), ModelRequest("speak", "hi"), value, raw)


def whole_answers(wire: Any, request: ModelRequest, value: Any, raw: bytes) -> None:
    talk = wire.talk(request)
    for body in (raw, json.dumps(value).encode(), b"RIFF" + raw):
        try:
            assert isinstance(talk.answer({}, body).output, dict)
        except BackendFailed:
            pass


@given(
    st.lists(
        st.sampled_from(["a.b", "a__b", "a_b", "a-b", "x" * 64, "x" * 63 + "."]), unique=True, min_size=1
    )
)
def test_names_of_tools_come_back_as_they_went(names: list[str]) -> None:
    body = sent(chat("hi", tools=[{"name": name} for name in names]))
    wire_names = [each["function"]["name"] for each in body["tools"]]
    assert len(set(wire_names)) == len(names)
    assert all(len(each) <= 64 and "." not in each for each in wire_names)
    answer = read(calling(*((f"c{n}", each, "{}") for n, each in enumerate(wire_names))),
                  request=chat("hi", tools=[{"name": name} for name in names]))  # fmt: skip
    assert [each["name"] for each in answer.output["tool_calls"]] == names


def test_which_name_is_the_same_model() -> None:
    for asked, told in (("gpt-4o", "gpt-4o-2024-08-06"), ("llama3", "llama3:latest"), ("llama3:latest", "llama3"),
                        ("Qwen/Qwen3", "qwen/qwen3"), ("smol", "/models/smol.gguf")):  # fmt: skip
        assert same_model(asked, told)
    for asked, told in (("gpt-4o", "gpt-4"), ("gpt-4", "gpt-4o"), ("a", "b"), ("a", "xa")):
        assert not same_model(asked, told)
