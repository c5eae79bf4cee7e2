"""What LiteLLM's router does where Loom makes a promise, side by side: privacy after a fallback, and a budget.

    pip install litellm httpx      # in an environment of its own, with this folder and src on PYTHONPATH
    python -m benchmarks.peer_router

Both ask the same two OpenAI-compatible servers, on loopback: one stands for a local model, the other for a cloud, which
writes down what it is sent. Each does what its own documentation shows. Prints what the cloud saw.
"""

import asyncio
import contextlib
import json
import os
import warnings
from dataclasses import dataclass, field
from typing import Any

SECRET = "my PIN is 4711 and my mail is jane.doe@example.org"
CONCURRENT = 200
PRICE = 0.01
BUDGET = 0.2
"""Money: it pays for twenty calls."""


@dataclass
class Server:
    """Answers chats with a fixed text, or with 500 when it *fails*; *seen* has the bodies of all requests."""

    fails: bool = False
    delay: float = 0.0
    seen: list[str] = field(default_factory=list)
    url: str = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            self.seen.append((await reader.readexactly(int(fields.get(b"content-length", b"0")))).decode())
            await asyncio.sleep(self.delay)
            status, answer = (500, {"error": {"message": "down"}}) if self.fails else (200, ANSWER)
            content = json.dumps(answer).encode()
            about = "Content-Type: application/json\r\nConnection: close"
            writer.write(f"HTTP/1.1 {status} X\r\n{about}\r\nContent-Length: {len(content)}\r\n\r\n".encode())
            writer.write(content)
            await writer.drain()
        writer.close()


ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
}  # fmt: skip


@contextlib.asynccontextmanager
async def serving(server: Server) -> Any:
    """*server* on a free port of loopback."""
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()


def litellm_router(local: Server, cloud: Server, **options: Any) -> Any:
    """A router as LiteLLM's documentation shows it: a model, and another to fall back to."""
    import litellm

    litellm.suppress_debug_info = True

    def entry(name: str, server: Server) -> dict[str, Any]:
        parameters = {"model": "openai/m", "api_base": server.url, "api_key": "k", "max_retries": 0}
        price = {"input_cost_per_token": PRICE / 10, "output_cost_per_token": 0.0}
        return {"model_name": name, "litellm_params": {**parameters, **price}, "model_info": price}

    models = [entry("local", local), entry("cloud", cloud)]
    return litellm.Router(model_list=models, fallbacks=[{"local": ["cloud"]}], num_retries=0, **options)


def loom_router(local: Server, cloud: Server, **parties: Any) -> Any:
    """The same two servers behind Loom's router."""
    from loom.adapters.openai import openai
    from loom.router import Router

    price = {"call": PRICE}
    here = openai("local", url=local.url, model="m", location="local")
    there = openai("cloud", url=cloud.url, model="m", price=price, clearance="sensitive")
    return Router([here, there], **parties)


async def privacy() -> None:
    """A private question, and the local model is down."""
    for name in ("LiteLLM", "Loom"):
        async with serving(Server(fails=True)) as local, serving(Server()) as cloud:
            outcome = await (_ask_litellm if name == "LiteLLM" else _ask_loom)(local, cloud)
            leaked = sum("4711" in each or "jane.doe" in each for each in cloud.seen)
            print(
                f"private after a fallback, {name:8} requests at the cloud with the secret: {leaked}; {outcome}"
            )


async def _ask_litellm(local: Server, cloud: Server) -> str:
    router = litellm_router(local, cloud)
    messages = [{"role": "user", "content": SECRET}]
    reply = await router.acompletion(model="local", messages=messages, metadata={"label": "private"})
    return f"answered: {reply.choices[0].message.content!r}"


async def _ask_loom(local: Server, cloud: Server) -> str:
    from loom.errors import LoomError
    from loom.event import Label
    from loom.models import ModelRequest
    from loom.privacy import Guard

    router = loom_router(local, cloud, guard=Guard())
    try:
        reply = await router.ask(ModelRequest("chat", SECRET, Label.parse("private"), timeout=30))
        return f"answered: {reply.output['text']!r}"
    except LoomError as error:
        return f"refused: {type(error).__name__}"
    finally:
        await router.close()


async def budget() -> None:
    """Many requests at once against a budget that pays for twenty."""
    for name in ("LiteLLM", "Loom"):
        async with serving(Server(fails=True)) as local, serving(Server(delay=0.3)) as cloud:
            await (_spend_litellm if name == "LiteLLM" else _spend_loom)(local, cloud)
            spent = len(cloud.seen) * PRICE
            print(
                f"budget of {BUDGET}, {CONCURRENT} at once, {name:8} spent {spent:.2f}: {spent / BUDGET:.1f} times"
            )


async def _spend_litellm(local: Server, cloud: Server) -> None:
    limit = {"openai": {"budget_limit": BUDGET, "time_period": "1d"}}
    router = litellm_router(local, cloud, provider_budget_config=limit)
    messages = [{"role": "user", "content": "hello"}]
    calls = (router.acompletion(model="cloud", messages=messages) for _ in range(CONCURRENT))
    await asyncio.gather(*calls, return_exceptions=True)


async def _spend_loom(local: Server, cloud: Server) -> None:
    from loom.models import ModelRequest
    from loom.router.budget import Budgets

    router = loom_router(local, cloud, budgets=Budgets({"day": {"per": ["day"], "money": BUDGET}}))
    request = ModelRequest("chat", "hello", route="cloud", timeout=60)
    await asyncio.gather(*(router.ask(request) for _ in range(CONCURRENT)), return_exceptions=True)
    await router.close()


async def main() -> None:
    """Both comparisons."""
    from importlib.metadata import version

    print(f"LiteLLM {version('litellm')}")
    await privacy()
    await budget()


if __name__ == "__main__":
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOG", "CRITICAL")
    warnings.simplefilter("ignore")
    asyncio.run(main())
