"""The difficulty model's numbers, made by `python -m benchmarks.train_difficulty`; do not edit.

Trained on public outcomes of the RouteLLM project (Apache-2.0, https://github.com/lm-sys/RouteLLM): which MMLU prompts
Mixtral-8x7B-Instruct-v0.1 and gpt-4-1106-preview answered right, 38 subjects.
"""

from __future__ import annotations

BIAS = 0.14646
WEIGHTS: dict[str, tuple[float, float, float]] = {
    "length": (5.8831, 0.7992, 0.01967),
    "sentences": (2.1349, 0.4052, -0.00539),
    "negations": (0.6622, 0.8689, 0.02773),
    "conditions": (0.4088, 0.5842, 0.00861),
    "reasons": (0.3384, 0.5661, 0.00937),
    "combinations": (0.1268, 0.3599, 0.01246),
    "facts": (0.1138, 0.2655, -0.02648),
    "calculations": (0.2036, 0.4223, -0.00247),
    "persons": (0.0246, 0.0372, 0.01412),
    "terms": (0.0219, 0.0305, -0.02772),
    "commas": (0.0327, 0.0458, 0.01197),
    "symbols": (0.0757, 0.3542, 0.00607),
    "code": (0.0203, 0.1660, 0.00908),
    "numbers": (0.6325, 0.8736, -0.00217),
    "options": (1.6118, 0.0266, -0.00004),
    "alike": (0.2628, 0.2262, 0.02717),
    "reckoned": (0.0671, 0.2429, -0.01167),
    "steps": (0.0000, 1.0000, 0.06000),
    "foreign": (0.0016, 0.3000, -0.00000),
    "history": (0.0000, 3.0000, 0.00000),
}
"""Mean, standard deviation and weight of each of `Features`, for a deviation of at most 3."""
