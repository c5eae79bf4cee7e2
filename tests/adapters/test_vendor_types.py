"""What is sent is what the vendors' own packages would send, and what they would read is what is read here."""

import json
from typing import Any, get_type_hints

import pytest

from loom.adapters._anthropic_chat import MessagesWire
from loom.adapters._model_errors import Peer
from loom.adapters._openai_chat import ChatWire
from loom.adapters._openai_dialects import DIALECTS, make_dialect
from loom.adapters._openai_responses import ResponsesWire
from loom.adapters._openai_sounds import SpeakingWire
from loom.adapters._openai_vectors import VectorsWire
from loom.models import ModelRequest
from tests.adapters.model_server import HI, HI_EVENTS, calling, chat, completion
from tests.adapters.test_openai_chat import STRICT, TALK, TOOLS

pydantic = pytest.importorskip("pydantic")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

PEER = Peer("the backend")
CHATS = [
    chat("hi"),
    chat("hi", system="S", max_tokens=5, temperature=0.5, tools=TOOLS, tool_choice="required"),
    chat(TALK, tools=TOOLS, tool_choice="none"),
    chat("hi", schema=STRICT),
]


def fits(body: Any, kind: Any) -> None:
    """*body* has no key that the vendor's type does not know, and each has the type that it says."""
    assert set(body) <= set(get_type_hints(kind)), set(body) - set(get_type_hints(kind))
    pydantic.TypeAdapter(kind).validate_python(body)


def sent(wire: Any, request: ModelRequest, stream: bool) -> Any:
    return json.loads(wire.talk(request).call("m", stream).body)


@pytest.mark.parametrize("request_", CHATS, ids=range(len(CHATS)))
@pytest.mark.parametrize("stream", [False, True])
def test_chats_are_what_the_packages_send(request_: ModelRequest, stream: bool) -> None:
    from anthropic.types import message_create_params as messages
    from openai.types.chat import completion_create_params as chats
    from openai.types.responses import response_create_params as responses

    made = ChatWire(PEER, make_dialect("openai", "api.openai.com", True))
    kinds = (chats.CompletionCreateParamsNonStreaming, chats.CompletionCreateParamsStreaming)
    fits(sent(made, request_, stream), kinds[stream])
    kinds = (responses.ResponseCreateParamsNonStreaming, responses.ResponseCreateParamsStreaming)
    fits(sent(ResponsesWire(PEER, DIALECTS["openai"]), request_, stream), kinds[stream])
    kinds = (messages.MessageCreateParamsNonStreaming, messages.MessageCreateParamsStreaming)
    message = sent(MessagesWire(PEER), request_, stream)
    message.pop("temperature", None)  # older models take it; newer refuse it, and are asked again without
    fits(message, kinds[stream])


def test_other_tasks_are_what_the_package_sends() -> None:
    from openai.types import EmbeddingCreateParams
    from openai.types.audio import SpeechCreateParams

    fits(
        sent(VectorsWire(PEER), ModelRequest("embed", ["a"], options={"dimensions": 3}), False),
        EmbeddingCreateParams,
    )
    fits(
        sent(SpeakingWire(PEER), ModelRequest("speak", "a", options={"speed": 2}), False), SpeechCreateParams
    )


def test_the_answers_of_these_tests_are_what_the_packages_read() -> None:
    from anthropic.types import Message, RawMessageStreamEvent
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    rest = {"id": "x", "created": 1}
    for whole in (completion(), calling(("a", "b", "{}"))):
        choices = [{"index": 0, "logprobs": None, **choice} for choice in whole["choices"]]
        ChatCompletion.model_validate({**whole, **rest, "choices": choices}, strict=True)
    for chunk in HI:
        ChatCompletionChunk.model_validate({**rest, "object": "chat.completion.chunk", **chunk}, strict=True)
    assert Message
    for event in HI_EVENTS:
        if event["type"] != "ping":
            pydantic.TypeAdapter(RawMessageStreamEvent).validate_python(complete(event))


def complete(event: Any) -> Any:
    """The event with the fields that say nothing here and that the package wants."""
    if event["type"] == "message_start":
        extra = {"id": "x", "type": "message", "stop_reason": None, "stop_sequence": None}
        return {**event, "message": {**event["message"], **extra}}
    if event["type"] == "message_delta":
        return {**event, "delta": {**event["delta"], "stop_sequence": None}}
    return event
