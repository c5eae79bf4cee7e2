"""The real LiteLLM's complexity score of prompts: run by `bench_routing` with the interpreter that has the package.

Reads a JSON list of prompts, writes {"scores", "us", "version"}. Its heuristic (`complexity_router`, classifier
"heuristic") adds up weighted scores of length, code, reasoning and technical words, simple greetings, multi-step
patterns and questions.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from unittest.mock import MagicMock


def main() -> None:
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    warnings.simplefilter("ignore")
    prompts = json.load(sys.stdin)
    tiers = {"tiers": {"SIMPLE": "weak", "MEDIUM": "weak", "COMPLEX": "strong", "REASONING": "strong"}}
    router = ComplexityRouter("auto", MagicMock(), complexity_router_config=tiers, default_model="weak")
    began = time.perf_counter()
    scores = [router.classify(prompt)[1] for prompt in prompts]
    took = (time.perf_counter() - began) / len(prompts)
    json.dump({"scores": scores, "us": took * 1e6, "version": version("litellm")}, sys.stdout)


if __name__ == "__main__":
    main()
