"""Texts put beside labelled examples: which label is nearest, and whether any is near enough. Pure but for the vectors.

A label's score is the cosine similarity of its nearest example. When no label reaches the threshold, None comes first:
"none of them".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loom.errors import ModelFailed

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Vectors = NDArray[float32]

MOST_LABELS, MOST_EXAMPLES = 256, 2_048
LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class Examples:
    """Labels with the texts that stand for each: `texts[i]` belongs to `owners[i]`."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    owners: tuple[int, ...]


def examples(labels: object) -> Examples:
    """What the option `labels` says: {label: [examples]}, {label: example}, or a list of labels that are their own.

    Raises ModelFailed for anything else, for a label without an example, and for too many.
    """
    if isinstance(labels, list):
        labels = {each: [each] for each in labels if isinstance(each, str)} if _all_texts(labels) else None
    if not isinstance(labels, Mapping) or not 0 < len(labels) <= MOST_LABELS:
        raise ModelFailed(f"labels is {{label: [examples]}} or a list of 1 to {MOST_LABELS} texts")
    texts: list[str] = []
    owners: list[int] = []
    for number, (label, given) in enumerate(labels.items()):
        mine = [given] if isinstance(given, str) else given
        if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
            raise ModelFailed(
                f"a label is a text of 1 to {LONGEST_LABEL} characters, not {str(label)[:40]!r}"
            )
        if not isinstance(mine, list) or not mine or not _all_texts(mine):
            raise ModelFailed(f"label {label!r} needs a list of examples, each a text")
        texts += mine
        owners += [number] * len(mine)
    if len(texts) > MOST_EXAMPLES:
        raise ModelFailed(f"{len(texts):,} examples; at most {MOST_EXAMPLES:,} are compared in one call")
    return Examples(tuple(labels), tuple(texts), tuple(owners))


def ranked(similarities: Sequence[float], given: Examples, threshold: float) -> list[dict[str, Any]]:
    """Labels with their scores, best first; {"label": None, "score": threshold} before them when none reaches it.

    *similarities* are those of the text to each of the examples, -1 to 1.
    """
    best: dict[int, float] = {}
    for owner, similarity in zip(given.owners, similarities, strict=True):
        best[owner] = max(similarity, best.get(owner, -1.0))
    order = sorted(best, key=lambda owner: (-best[owner], owner))
    found: list[dict[str, Any]] = [
        {"label": given.labels[each], "score": round(best[each], 4)} for each in order
    ]
    if best[order[0]] < threshold:
        found.insert(0, {"label": None, "score": round(threshold, 4)})
    return found


def similarities(text: Vectors, others: Vectors) -> list[float]:
    """Cosine similarities of the normalised vector *text* (d) to each of *others* (n, d)."""
    return [float(each) for each in others @ text]


def _all_texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) and each for each in values)
