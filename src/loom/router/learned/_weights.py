"""The difficulty model's numbers, made by `python -m benchmarks.train_difficulty`; do not edit.

Trained on public outcomes of the RouteLLM project (Apache-2.0, https://github.com/lm-sys/RouteLLM): which MMLU prompts
Mixtral-8x7B-Instruct-v0.1 and gpt-4-1106-preview answered right, 38 subjects.
"""

from __future__ import annotations

BIAS = 0.14687
WEIGHTS: dict[str, tuple[float, float, float]] = {
    "length": (5.8831, 0.7992, 0.01848),
    "sentences": (2.1262, 0.3887, -0.00732),
    "negations": (0.6533, 0.8630, 0.02735),
    "conditions": (0.3990, 0.5696, 0.00895),
    "reasons": (0.3319, 0.5568, 0.01076),
    "combinations": (0.1240, 0.3567, 0.01368),
    "facts": (0.1123, 0.2637, -0.02635),
    "calculations": (0.1985, 0.4153, -0.00390),
    "persons": (0.0268, 0.0285, 0.01629),
    "terms": (0.0215, 0.0201, -0.02775),
    "commas": (0.0342, 0.0296, 0.01034),
    "symbols": (0.0757, 0.3542, 0.00579),
    "code": (0.0196, 0.1639, 0.00898),
    "numbers": (0.6244, 0.8653, -0.00383),
    "options": (1.6075, 0.0480, 0.00044),
    "alike": (0.2617, 0.2262, 0.02841),
    "reckoned": (0.0671, 0.2429, -0.01285),
    "steps": (0.0000, 1.0000, 0.02499),
    "foreign": (0.0016, 0.3000, 0.00001),
    "history": (0.0000, 3.0000, 0.00000),
}
"""Mean, standard deviation and weight of each of `Features`, for a deviation of at most 3."""
SEEN = (
    "abstract_algebra clinical_knowledge college_biology college_chemistry college_computer_science "
    "college_mathematics college_medicine computer_security conceptual_physics econometrics formal_logic "
    "global_facts high_school_biology high_school_computer_science high_school_european_history "
    "high_school_geography high_school_mathematics high_school_microeconomics high_school_psychology "
    "high_school_statistics high_school_us_history human_sexuality international_law jurisprudence "
    "machine_learning management miscellaneous moral_scenarios nutrition philosophy prehistory "
    "professional_accounting professional_law professional_medicine professional_psychology "
    "us_foreign_policy virology world_religions "
)
"""The subjects of that data: on these it is not to be judged."""
