"""The load of a vLLM, out of its metrics as several versions write them, and out of anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._vllm_metrics import read_metrics

V1 = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-0.6B"} 3.0
vllm:num_requests_running{engine="1",model_name="Qwen/Qwen3-0.6B"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-0.6B"} 4.0
vllm:num_requests_waiting{engine="1",model_name="Qwen/Qwen3-0.6B"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="Qwen/Qwen3-0.6B"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="Qwen/Qwen3-0.6B"} 0.75
vllm:iteration_tokens_total_bucket{le="+Inf",model_name="Qwen/Qwen3-0.6B"} 3.0
"""
V0 = """\
vllm:num_requests_running{model_name="llama, \\"big\\" {1}"} 1
vllm:num_requests_waiting{model_name="llama, \\"big\\" {1}"} 1.2e+01 1395066363000
vllm:gpu_cache_usage_perc{model_name="llama, \\"big\\" {1}"} 5e-01
vllm:cpu_cache_usage_perc{model_name="llama, \\"big\\" {1}"} 0.9
"""


def test_engines_add_up_and_the_fullest_cache_counts() -> None:
    assert read_metrics(V1) == {"running": 5, "waiting": 4, "kv_cache": 0.75}
    assert read_metrics(V1.replace("\n", "\r\n")) == read_metrics(V1)


def test_older_names_and_odd_labels_are_read() -> None:
    assert read_metrics(V0) == {"running": 1, "waiting": 12, "kv_cache": 0.5}


def test_llama_server_says_the_same_in_other_words() -> None:
    assert read_metrics("llamacpp:requests_processing 1\nllamacpp:requests_deferred 2\n") == {
        "running": 1,
        "waiting": 2,
    }


def test_another_model_of_the_same_server_does_not_count() -> None:
    both = V1 + 'vllm:num_requests_waiting{model_name="other"} 100\n'
    assert read_metrics(both, "Qwen/Qwen3-0.6B")["waiting"] == 4
    assert read_metrics(both, "other")["waiting"] == 100
    assert read_metrics(both, "an alias")["waiting"] == 104, "nobody else is called so: all of them"


@pytest.mark.parametrize(
    "line",
    ["vllm:num_requests_running NaN", "vllm:num_requests_running 1e308\nvllm:num_requests_running 1e308",
     "vllm:num_requests_running +Inf", "vllm:num_requests_running -1",
     "vllm:num_requests_running", "vllm:num_requests_running x",
     'vllm:num_requests_running{a="b} 1', "vllm:num_requests_running 1 2 3", "vllm:num_requests_running_x 1",
     "vllm:num_requests_running{" + 'a="b",' * 9999 + "} 1", "#vllm:num_requests_running 1", "<html>: 1"],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_left_out(line: str) -> None:
    assert read_metrics(line) == {}
    assert read_metrics(f"{line}\nvllm:num_requests_waiting 1\n{line}") == {"waiting": 1}


PARTS = [
    "vllm:num_requests_running",
    "{",
    "}",
    '"',
    'a="',
    " ",
    "1",
    "\n",
    "\\",
    'model_name="',
    ",",
    "#",
    "\r",
]


@given(st.text(max_size=200) | st.lists(st.sampled_from(PARTS)).map("".join))
def test_anything_is_read(content: str) -> None:
    assert set(read_metrics(content)) <= {"running", "waiting", "kv_cache"}
