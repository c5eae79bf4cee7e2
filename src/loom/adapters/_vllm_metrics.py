"""What a vLLM server says of its load, out of Prometheus' text format. Pure; a line that makes no sense is left out.

The names are those of vLLM 0.4 to 0.32: the use of the KV cache was called ``gpu_cache_usage_perc`` before V1. SGLang's
and llama-server's names for the same are understood too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST_LINES = 50_000
LONGEST_LINE = 4_096
_LINE = re.compile(
    r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?[ \t]+([^ \t]+)(?:[ \t]+-?[0-9]+)?[ \t]*\Z"
)
_MODEL = re.compile(r'(?:\A|,)\s*model_name="((?:[^"\\]|\\.)*)"')
SUMS = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "sglang:num_running_reqs": "running",
    "sglang:num_queue_reqs": "waiting",
    "llamacpp:requests_processing": "running",
    "llamacpp:requests_deferred": "waiting",
}
HIGHEST = {
    "vllm:kv_cache_usage_perc": "kv_cache",
    "vllm:gpu_cache_usage_perc": "kv_cache",
    "sglang:token_usage": "kv_cache",
    "llamacpp:kv_cache_usage_ratio": "kv_cache",
}
WANTED = (*SUMS, *HIGHEST)
LARGEST = 1e15
"""No server has more requests than that."""


def read_metrics(content: str, model: str = "") -> Mapping[str, float]:
    """``running`` and ``waiting`` requests, and ``kv_cache``, the part of it that is in use (0 to 1).

    Those of all engines are added up, of the cache the fullest counts. With *model*, those labelled as of another model
    are left out, unless all are.
    """
    rows = _rows(content)
    mine = [row for row in rows if row[1] in ("", model)] if model else rows
    found: dict[str, float] = {}
    for name, _, value in mine or rows:
        if (word := SUMS.get(name)) is not None:
            found[word] = found.get(word, 0.0) + value
        elif (word := HIGHEST.get(name)) is not None:
            found[word] = max(found.get(word, 0.0), min(value, 1.0))
    return found


def _rows(content: str) -> list[tuple[str, str, float]]:
    """Name, model and value of each line that is wanted."""
    found = []
    for line in content.split("\n", MOST_LINES)[:MOST_LINES]:
        if not line.startswith(WANTED) or len(line) > LONGEST_LINE:
            continue
        match = _LINE.match(line.rstrip("\r"))
        if match is None or (match[1] not in SUMS and match[1] not in HIGHEST):
            continue
        value = _value(match[3])
        if value is not None:
            named = _MODEL.search(match[2] or "")
            found.append((match[1], named[1] if named else "", value))
    return found


def _value(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if 0 <= value <= LARGEST else None
