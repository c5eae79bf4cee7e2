"""How faithful an imported policy is: the labelled probes of a vLLM Semantic Router through Loom's import of it.

    python -m benchmarks.fidelity_import FOLDER

FOLDER has config.yaml and probes.yaml, as cli/model_assets/latest/mom-v1 in the package vllm-sr. Prints how many probes
meet the decision that they are labelled with, by recipe and language, the privacy recipe (vault) apart; how many
signals that a probe expects hold here; and both without embeddings. Texts are compared by the local MiniLM.
"""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loom import local_model
from loom.models import ModelRequest
from loom.router.vllm_import import Decider, Imported, meet, read_policies
from loom.router.vllm_import._yaml import read_yaml
from loom.router.vllm_import.asked import asked
from loom.router.vllm_import.deciding import truth_of
from loom.router.vllm_import.reading import KINDS
from loom.router.vllm_import.signals import Likeness
from loom.router.vllm_import.tree import Leaf

PRIVACY = "vault"
Hits = dict[str, list[bool]]


class Embedder:
    """Vectors of texts by the local MiniLM, each made once."""

    def __init__(self) -> None:
        self.model = local_model("minilm", idle=None)
        self.known: dict[str, list[float]] = {}

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for start in range(0, len(new), 16):
            part = new[start : start + 16]
            reply: Any = await self.model.infer(ModelRequest("embed", part))
            self.known.update(zip(part, reply.output["vectors"].numpy().tolist(), strict=True))
        return [self.known[text] for text in texts]


def request_of(probe: dict[str, Any]) -> ModelRequest:
    """The request of a probe; its padding stands before the question."""
    padding, query = probe.get("padding"), probe.get("query") or ""
    text = padding["text"] * padding["repeat"] + query if padding else query
    options: dict[str, object] = {name: probe[name] for name in ("tools", "tool_choice") if name in probe}
    if probe.get("messages"):
        said = [{"role": "user", "content": text}] if text else []
        return ModelRequest("chat", [*probe["messages"], *said], options=options)
    return ModelRequest("chat", text, options=options)


def probes_of(document: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The recipe, the group and the probe, for every probe."""
    for group in document["decisions"]:
        for probe in group["variants"]:
            yield group["expected_recipe"], group, probe


def signals_of(group: dict[str, Any], probe: dict[str, Any]) -> Iterator[Leaf]:
    """The signals that a probe is expected to have."""
    expected = {**(group.get("expected_signals") or {}), **(probe.get("expected_signals") or {})}
    for kind, names in expected.items():
        for name in names:
            base, _, label = str(name).partition(":")
            yield Leaf(KINDS.get(kind, kind.removesuffix("s")), base, label)


async def measure(folder: Path) -> None:
    """Run every probe and print the tables."""
    policies = read_policies(read_yaml(folder / "config.yaml"))
    embed = Embedder()
    deciders = {name: Decider(policy, embed) for name, policy in policies.items()}
    hits: Hits = defaultdict(list)
    seen_signals: dict[str, Counter[str]] = defaultdict(Counter)
    for recipe, group, probe in probes_of(read_yaml(folder / "probes.yaml")):
        view = asked(request_of(probe))
        likeness = await deciders[recipe].likeness(view)
        for name, compared in (("", likeness), (" without embeddings", {})):
            met = meet(policies[recipe], view, compared)
            hit = met.choice is not None and met.choice.name == group["expected_decision"]
            for key in keys(recipe, group, probe):
                hits[key + name].append(hit)
        for leaf in signals_of(group, probe):
            seen_signals[leaf.kind][verdict(policies[recipe], leaf, view, likeness)] += 1
    await embed.model.close()
    report(hits, seen_signals)


def keys(recipe: str, group: dict[str, Any], probe: dict[str, Any]) -> Iterator[str]:
    """The rows of the table in which a probe counts."""
    yield "privacy" if recipe == PRIVACY else "all but privacy"
    yield f"recipe {recipe}"
    yield f"decision {recipe}.{group['expected_decision']}"
    languages = [tag for tag in probe.get("tags", ()) if tag.startswith("language:")]
    yield "English" if "language:en" in languages else "other languages"


def verdict(policy: Imported, leaf: Leaf, view: Any, likeness: Likeness) -> str:
    """Whether a signal that should hold does."""
    found = truth_of(policy, leaf, view, likeness)
    return "unknown" if found is None else "holds" if found else "does not"


def report(hits: Hits, signals: dict[str, Counter[str]]) -> None:
    """Print both tables."""
    print(f"{'probes':34}{'hits':>6}{'of':>6}{'share':>8}{'without embeddings':>20}")
    for key in sorted(key for key in hits if "without" not in key):
        own, bare = hits[key], hits[f"{key} without embeddings"]
        print(f"{key:34}{sum(own):6}{len(own):6}{sum(own) / len(own):8.3f}{sum(bare) / len(bare):20.3f}")
    print(f"\n{'signals that are expected':34}{'holds':>8}{'does not':>10}{'unknown':>10}")
    for kind, counts in sorted(signals.items()):
        print(f"{kind:34}{counts['holds']:8}{counts['does not']:10}{counts['unknown']:10}")


if __name__ == "__main__":
    asyncio.run(measure(Path(sys.argv[1])))
