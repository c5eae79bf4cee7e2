"""Policies of the vLLM Semantic Router, taken over as far as Loom knows what their decisions hang on."""

from loom.router.vllm_import.deciding import Decider, Met, meet
from loom.router.vllm_import.reading import Choice, Imported, read_policies

__all__ = ["Choice", "Decider", "Imported", "Met", "meet", "read_policies"]
