"""A real cloud on loopback: llama.cpp's own server with the small chat model, in a process of its own, behind a key.

`running_cloud()` starts one for a test; ``python -m tests.cloud`` starts one, prints its URL and key, and stays.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>system\\nYou may call functions.\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '\\n</tools><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
    {%- else %}{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}{%- endif %}
    {%- for call in message.tool_calls or [] %}
        {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
        {{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
"""How a conversation with tools is written for a model whose own template knows none."""

START = 60.0  # seconds for a model to load on a busy machine
KEY = "LOOM_TEST_CLOUD_KEY"


@dataclass(frozen=True)
class Cloud:
    """Where it listens (*url* is that of its `/v1`), the *key* it wants, the process, and the name of its model."""

    url: str
    key: str = field(repr=False)
    pid: int
    model: str

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return int(self.url.split(":")[2].split("/")[0])

    def get(self, path: str, timeout: float = 10.0) -> Any:
        """What it answers to a GET of *path*, as JSON."""
        return _get(self.port, path, self.key, timeout)[1]


@contextmanager
def running_cloud(
    *, embedding: bool = False, tools: bool = False, context: int = 2048, slots: int = 2
) -> Iterator[Cloud]:
    """A server of our own, checked to be the one started; it is killed at the end.

    *embedding*: it gives vectors instead of answers; *tools*: its template knows of them, and of their answers.
    *slots* requests are worked on at once, each in its share of the *context*. Nothing is skipped: who has no xllamacpp
    or no model gets the error.
    """
    key = secrets.token_hex(16)
    options = {"embedding": embedding, "tools": tools, "context": context, "slots": slots}
    environment = {**os.environ, KEY: key, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.cloud", "--serve", json.dumps(options)]
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        port = _port_of(child)
        _check(port, key, child)
        name = str(_get(port, "/v1/models", key)[1]["data"][0]["id"])
        yield Cloud(f"http://127.0.0.1:{port}/v1", key, child.pid, name)
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def _port_of(child: subprocess.Popen[str]) -> int:
    """The port that the child says; its pipe ends when it dies, and the timer sees to that it does."""
    assert child.stdout is not None
    timer = threading.Timer(START, child.kill)
    timer.start()
    try:
        for line in child.stdout:
            if line.startswith("port "):
                return int(line.split()[1])
    finally:
        timer.cancel()
    raise RuntimeError(f"the llama.cpp server ended with {child.wait()} before it listened")


def _check(port: int, key: str, child: subprocess.Popen[str]) -> None:
    """Raise unless the server that answers is this child's: it knows the key that was made for it, and wants it."""
    assert child.poll() is None
    assert _get(port, "/v1/chat/completions/input_tokens", "wrong")[0] == 401
    assert _get(port, "/props", key)[0] == 200


def _get(port: int, path: str, key: str, timeout: float = 10.0) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        content = answer.read()
        with suppress(ValueError):
            return answer.status, json.loads(content)
        return answer.status, content
    finally:
        connection.close()


def serve(options: dict[str, Any]) -> None:
    """Load the model, say the port, and stay until standard input ends: with who started this."""
    import xllamacpp

    from loom.models.llama import bundled_file

    made = xllamacpp.CommonParams()
    values: dict[str, Any] = dict(
        n_ctx=options["context"],
        n_gpu_layers=0,
        n_batch=512,
        n_ubatch=512,
        n_parallel=options["slots"],
        n_threads_http=4,
        cache_ram_mib=0,
        n_ctx_checkpoints=0,
        fit_params=False,
        warmup=False,
        offline=True,
        ui=False,
        endpoint_slots=True,
        endpoint_metrics=True,
        embedding=options["embedding"],
        force_pure_content_parser=False,
        api_keys=[os.environ[KEY]],
        hostnames=["127.0.0.1"],
        port=0,
        use_jinja=True,
        model_alias={"smollm2-135m"},
        verbosity=0,
    )
    for name, value in values.items():
        setattr(made, name, value)
    if options["embedding"]:
        made.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if options["tools"]:
        made.chat_template = TEMPLATE
    made.model.path = bundled_file()
    made.cpuparams.n_threads = made.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(made)
    print("port", str(server.listening_address).rpartition(":")[2].rstrip("/"), flush=True)
    sys.stdin.read()
    os._exit(0)  # it would wait for its connections otherwise


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
        return
    with running_cloud() as cloud:
        print(cloud.url, flush=True)
        print(f"export {KEY}={cloud.key}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
