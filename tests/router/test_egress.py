"""Nothing leaves that may not: thousands of conversations through real backends, and a cloud that writes all down.

Labels, fallbacks, retries, cascades, hedges, speculation, streams and tools are drawn by lot; secrets are planted in
every text that has a label. They are sought in each byte the cloud saw, in logs, events, errors and statistics.
"""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from loom.adapters.openai import openai
from loom.clock import SystemClock
from loom.errors import LoomError, ModelFailed
from loom.event import Confidentiality, Label
from loom.models import ModelReply, ModelRequest
from loom.privacy import Guard
from loom.router import Router
from loom.router.policy import Policy
from tests.privacy.made import MAKERS
from tests.router.recorder import Connects, Recorder, found_in, haystacks

KEY = "lk-Q7w2Zr9TfB4x8Lm3"
WORD = "Mauerblümchen-42"
CLOUDS = {"open": "public", "careful": "sensitive", "sworn": "private"}
LEVELS = list(Confidentiality)
POLICIES = [
    Policy(hybrid=hybrid, prefer=prefer, redact=redact, private_local=stays, threshold=threshold)
    for hybrid in ("off", "cascade", "hedged", "speculative")
    for prefer in ("quality", "cost")
    for redact in ("sensitive", "always")
    for stays in (True, False)
    for threshold in (0.5, 0.95)
]
LEAST = 2_000  # requests that reached the clouds, in all


class Here:
    """A local model that fails now and then, and is not always sure."""

    location, tasks, quality, features = "local", frozenset({"chat"}), 0.6, frozenset({"tools", "schema"})

    def __init__(self, name: str, random: Random) -> None:
        self.name, self.random = name, random

    def _fails(self) -> None:
        if self.random.random() < 0.3:
            raise ModelFailed("the local model fell over")

    async def infer(self, request: ModelRequest) -> ModelReply:
        self._fails()
        await asyncio.sleep(0)
        output = {
            "text": "from here",
            "tokens_in": 1,
            "tokens_out": 1,
            "stopped": "end",
            "confidence": self.random.random(),
        }
        return ModelReply(output, self.name, 0.0, 1.0)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        self._fails()
        yield {"text": "from "}
        await asyncio.sleep(0)
        yield {"text": "here"}
        yield {
            "text": "",
            "done": True,
            "tokens_in": 1,
            "tokens_out": 1,
            "stopped": "end",
            "confidence": self.random.random(),
        }

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]:
        return {}


@dataclass
class Seen:
    """What was planted, who may not see it, and what came out beside the network."""

    secrets: list[str] = field(default_factory=list)  # nobody elsewhere may see them
    marks: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in CLOUDS}
    )  # not this cloud
    told: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answered: int = 0


class Fast(SystemClock):
    """A clock on which backends that failed are soon tried again."""

    def __init__(self) -> None:
        self.ahead = 0

    def now_ms(self) -> int:
        self.ahead += 500
        return super().now_ms() + self.ahead


class Records(logging.Handler):
    """Every log record, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.args!r} {record.exc_text or ''}")


class Talker:
    """Conversations with a router, drawn by lot."""

    def __init__(self, random: Random, router: Router, seen: Seen) -> None:
        self.random, self.router, self.seen = random, router, seen

    async def converse(self, number: int) -> None:
        held, history = Confidentiality.PUBLIC, []
        levels = self.random.choice([LEVELS[:1], LEVELS[:2], LEVELS[:2], LEVELS[:3], LEVELS])
        thread = self.random.choice([f"thread-{number}", f"thread-{number}", None])
        for turn in range(self.random.randint(1, 4)):
            level = self.random.choice(levels)
            held = max(held, level) if thread else level
            if not thread:
                history.clear()
            said, secret = self._said(number, turn, held)
            history.append({"role": "user", "content": said})
            where = thread if thread is None or self.random.random() < 0.8 else f"{thread}/child"
            answer = await self._ask(self._request(history, level, where))
            if answer is not None:
                self.seen.answered += 1
                self._check(said, answer)
                history.append({"role": "assistant", "content": answer})
            del secret

    def _said(self, number: int, turn: int, held: Confidentiality) -> tuple[str, list[str]]:
        """A text for a conversation that *held* so much, with what is in it noted in ``seen``."""
        mark = f"mark{number:06d}x{turn}q{self.random.randrange(10**6):06d}"
        pieces, secrets = [f"Please note {mark}"], []
        for name, clearance in CLOUDS.items():
            if held > Label.parse(clearance).confidentiality or held == Confidentiality.LOCAL_ONLY:
                self.seen.marks[name].append(mark)
        if held > Confidentiality.PUBLIC:
            for kind in self.random.sample(list(MAKERS), 2):
                made = MAKERS[kind](self.random)
                pieces.append(f" and {made.text} ")
                secrets += [part for part in made.parts if len(part) >= 9 and "(at)" not in part]
        pieces.append(self.random.choice(["", f" with {KEY}", f" with {WORD.upper()}!", " thanks"]))
        self.seen.secrets += secrets
        return "\n".join(pieces) if self.random.random() < 0.3 else "".join(pieces), secrets

    def _request(
        self, history: list[dict[str, Any]], level: Confidentiality, thread: str | None
    ) -> ModelRequest:
        options: dict[str, Any] = {}
        if self.random.random() < 0.3:
            options["tools"] = [
                {
                    "name": "note",
                    "description": f"Notes; {history[0]['content']}",
                    "parameters": {"type": "object"},
                }
            ]
        if self.random.random() < 0.3:
            options["system"] = f"You know that {history[-1]['content']}"
        route = self.random.choice(["auto", "auto", "cloud", "local", *CLOUDS])
        input: object = (
            [dict(each) for each in history] if self.random.random() < 0.7 else history[-1]["content"]
        )
        return ModelRequest(
            "chat", input, Label(level), thread=thread, options=options, route=route, timeout=20.0,
            profile=f"p{self.random.randrange(len(POLICIES))}", stream=self.random.random() < 0.5, user="eve-q7",
        )  # fmt: skip

    async def _ask(self, request: ModelRequest) -> str | None:
        try:
            return await (self._streamed(request) if request.stream else self._whole(request))
        except LoomError as error:
            self.seen.errors += [*traceback.format_exception(error), repr(error), str(error)]
        return None

    async def _whole(self, request: ModelRequest) -> str:
        output: Any = (await self.router.ask(request)).output
        self._calls(request, output)
        return str(output["text"])

    async def _streamed(self, request: ModelRequest) -> str:
        """The text of a stream; now and then somebody hangs up in the middle."""
        pieces: list[str] = []
        patience = self.random.choice([3, 10**6, 10**6])
        stream = self.router.stream(request)
        async for item in stream:
            if item.get("refining"):
                pieces.clear()
            pieces.append(item.get("text", ""))
            if len(pieces) > patience:
                await stream.aclose()
                return ""
            self._calls(request, item)
        return "".join(pieces)

    def _calls(self, request: ModelRequest, output: Mapping[str, Any]) -> None:
        """What a tool is called with has the values again."""
        for call in output.get("tool_calls") or ():
            self._check(str(call["arguments"].get("text", "")), "")

    def _check(self, said: str, answer: str) -> None:
        """An answer from elsewhere says what was said, with its values; nobody gets a placeholder."""
        for text in (said, answer):
            if any(
                f"<{kind}_" in text for kind in ("EMAIL", "CARD", "KEY", "SECRET", "PHONE", "IBAN", "WORD")
            ):
                self.seen.wrong.append(text)
        if answer.startswith("Please note") and answer != said:
            self.seen.wrong.append(f"{answer!r} is not {said!r}")


async def _talk(seed: int, conversations: int) -> tuple[Seen, Recorder, Records, str, set[Any]]:
    random, seen, records = Random(seed), Seen(), Records()
    root = logging.getLogger()
    before = root.level
    root.addHandler(records)
    root.setLevel(logging.DEBUG)
    try:
        with Connects() as connects:
            async with Recorder(Random(seed + 1)) as cloud:
                models = [_cloud(name, clearance, cloud.port) for name, clearance in CLOUDS.items()]
                guard = Guard(secrets=[KEY, WORD])

                def tell(topic: str, payload: Mapping[str, Any], request: ModelRequest) -> None:
                    if topic != "loom.router.provisional":  # the request's label goes with it
                        seen.told.append(f"{topic} {payload!r}")

                router = Router(
                    [Here("here", random), Here("near", random), *models],
                    guard=guard,
                    tell=tell,
                    clock=Fast(),
                )
                router.profiles.update({f"p{at}": policy for at, policy in enumerate(POLICIES)})
                talker = Talker(random, router, seen)
                for first in range(0, conversations, 8):
                    await asyncio.gather(*(talker.converse(seed * 10_000 + first + at) for at in range(8)))
                shown = repr((router.statistics(), router.facts(), list(router.decisions), guard))
                await router.close()
                return seen, cloud, records, shown, connects.addresses - {("127.0.0.1", cloud.port)}
    finally:
        root.removeHandler(records)
        root.setLevel(before)


def _cloud(name: str, clearance: str, port: int) -> Any:
    return openai(
        name, url=f"http://127.0.0.1:{port}/{name}/v1", model="m", key="env:EGRESS_KEY", clearance=clearance,
        price={"in": 1.0, "out": 1.0} if False else None, quality=0.9, concurrency=8, timeout=10.0,
    )  # fmt: skip


@pytest.mark.blocks("haystacks are searched on the loop when nothing else runs any more")
@pytest.mark.parametrize("seed", range(1, 9))
async def test_nothing_leaves_that_may_not(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_KEY", KEY)
    seen, cloud, records, shown, elsewhere = await _talk(seed, 248)
    assert elsewhere == set(), "somebody else was connected to"
    asked = sum(map(len, cloud.saw.values()))
    assert asked >= LEAST // 8, "too little was sent to prove anything"
    assert seen.answered >= 150
    assert seen.wrong == []
    secrets = [*seen.secrets, KEY, WORD]
    everything = haystacks(piece for name in CLOUDS for piece in cloud.saw.get(name, ()))
    assert found_in(everything, secrets)[:3] == [], f"seed {seed}: a cloud saw it"
    assert not any("eve-q7" in stack or "thread-" in stack for stack in everything), (
        "who asks is nobody's business"
    )
    for name in CLOUDS:
        assert found_in(haystacks(cloud.saw.get(name, ())), seen.marks[name])[:3] == [], (
            f"seed {seed}: {name} saw it"
        )
    beside = "\n".join([*records.texts, *seen.told, *seen.errors, shown]).casefold()
    assert found_in([beside], secrets)[:3] == [], f"seed {seed}: logs, events, errors or statistics show it"
    assert cloud.keys == {KEY}


def test_the_search_finds_what_is_there() -> None:
    """A search that finds nothing proves nothing, unless it finds what is planted in each form."""
    secret = "geheim/Wörter+77"
    data = secret.encode()
    encoded = [base64.b64encode(b"x" * n + data + b"yz").decode() for n in range(3)]
    encoded += [
        base64.urlsafe_b64encode(data).decode(),
        data.hex(),
        data.hex().upper(),
        "geheim%2FW%C3%B6rter%2B77",
    ]
    for planted in [
        secret,
        secret.upper(),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        *encoded,
    ]:
        assert found_in(haystacks([b"a", planted.encode()[:7], planted.encode()[7:], b"b"]), [secret]), (
            planted
        )
    split = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in ("gehe", "im/Wör", "ter+77")
    ]
    lines = "".join(
        f"data: {json.dumps(each, separators=(',', ':'), ensure_ascii=False)}\n\n" for each in split
    )
    assert found_in(haystacks([lines.encode()]), [secret])
    assert not found_in(haystacks([b"geheim, Woerter 77"]), [secret])
