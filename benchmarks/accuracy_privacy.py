"""How much of what should be hidden is found, what is hidden that need not be, and what it takes.

    python -m benchmarks.accuracy_privacy [--secrets 400] [--presidio]

Recall on secrets drawn by lot in sentences that no detector was made with, for the core, for the core with the extra,
and for five patterns of the usual sort; precision on ordinary prose: the documentation of Python's language (in the
standard library) and this project's own pages. Prints the tables of docs/PRIVACY.md.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from random import Random

from loom.privacy import Detector, Finding, make_detectors
from loom.privacy.placeholders import Placeholders
from loom.privacy.redaction import Conversation, Redaction
from tests.privacy import made

SEED = 77
ROOT = Path(__file__).parent.parent
_SIMPLE = {
    "EMAIL": r"[\w.+-]+@[\w-]+\.[\w.-]+",
    "PHONE": r"(?:\+\d{1,3}[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}",
    "CARD": r"\b(?:\d[ -]?){13,16}\b",
    "ID": r"\b\d{3}-\d{2}-\d{4}\b",
    "IP": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
}


class Simple:
    """Five patterns without check digits, context or disguises, as small redaction tools have them."""

    name = "patterns"

    def find(self, text: str) -> Iterator[Finding]:
        for kind, pattern in _SIMPLE.items():
            yield from (Finding(*match.span(), kind) for match in re.finditer(pattern, text))


def recall(name: str, redaction: Redaction, secrets: int) -> tuple[float, float]:
    """The share of secrets of kind *name* of which nothing shows, and microseconds of CPU for each text."""
    random, hidden = Random(f"{SEED}{name}"), 0
    cases = [made.planted(random, name, made.HELD_OUT) for _ in range(secrets)]
    began = time.process_time()
    for text, secret in cases:
        redacted = redaction.redact(text, Conversation(Placeholders("BCDFG")))
        hidden += not any(made.leaked(part, redacted) for part in secret.parts)
    return hidden / secrets, (time.process_time() - began) / secrets * 1e6


def phones(prefix: str) -> Iterator[tuple[str, float]]:
    """The share of the example numbers of every region found behind *prefix*, by form; nobody drew these by lot."""
    import phonenumbers as known

    (detector,) = make_detectors(["phone"])
    kinds = (known.PhoneNumberType.MOBILE, known.PhoneNumberType.FIXED_LINE)
    drawn = [
        known.example_number_for_type(region, kind) for region in known.SUPPORTED_REGIONS for kind in kinds
    ]
    for form in ("INTERNATIONAL", "E164", "NATIONAL"):
        shape = getattr(known.PhoneNumberFormat, form)
        texts = [prefix + known.format_number(each, shape) + " now" for each in drawn if each is not None]
        yield form.lower(), sum(any(True for _ in detector.find(text)) for text in texts) / len(texts)


def prose() -> dict[str, str]:
    """Texts in which nothing is to be hidden, or what is there is an example."""
    pages = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    return {
        "Python's language reference": "\n".join(topics.values()),
        "pages of this project": "\n".join(
            page.read_text() for page in pages if "PRIVACY" not in page.name and "redaction" not in page.name
        ),
    }


def false_findings(redaction: Redaction, text: str) -> tuple[Counter[str], list[str]]:
    """How many spans of *text* would be hidden, by kind, and the first of them."""
    found = redaction.find(text, Conversation(Placeholders("BCDFG")))
    return Counter(each.kind for each in found), [text[each.start : each.end] for each in found]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--secrets", type=int, default=400)
    parser.add_argument("--presidio", action="store_true", help="presidio and stdnum too (slow)")
    options = parser.parse_args()
    sides: dict[str, Callable[[], list[Detector]]] = {"core": make_detectors, "patterns": lambda: [Simple()]}
    if options.presidio:
        sides["core, stdnum, presidio"] = lambda: make_detectors(["core", "stdnum", "presidio"])
    redactions = {side: Redaction(make()) for side, make in sides.items()}
    print("| kind |", " | ".join(redactions), "|\n|---|" + "---|" * len(redactions))
    took: dict[str, list[float]] = {side: [] for side in redactions}
    for name in made.MAKERS:
        row = []
        for side, redaction in redactions.items():
            share, each = recall(name, redaction, options.secrets)
            took[side].append(each)
            row.append(f"{share:.1%}")
        print(f"| {name} |", " | ".join(row), "|")
    print("| CPU for a sentence |", " | ".join(f"{sum(v) / len(v):.0f} us" for v in took.values()), "|")
    if options.presidio:
        for prefix in ("see ", "my phone is "):
            print(
                f"example numbers after {prefix!r}:", {form: f"{share:.1%}" for form, share in phones(prefix)}
            )
    for what, text in prose().items():
        for side, redaction in redactions.items():
            if "presidio" in side:
                continue
            began = time.process_time()
            counts, first = false_findings(redaction, text)
            seconds = time.process_time() - began
            words = len(text.split())
            print(
                f"\n{what}, {side}: {sum(counts.values())} spans in {words:,} words "
                f"({sum(counts.values()) / words * 1e4:.1f} in 10,000), "
                f"{seconds / len(text) * 1e6:.2f} s of CPU per MB; {dict(counts)}"
            )
            print("  e.g.", [each[:40] for each in first[:: max(1, len(first) // 12)]][:12])


if __name__ == "__main__":
    main()
