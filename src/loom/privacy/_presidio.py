"""What presidio finds: numbers of many states' papers, and names where a language model for spaCy is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loom.privacy.finding import Detector, Finding

MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
"""Models of spaCy that know names, the best first; without one the pipeline is blank and no name is found."""
SURE = 0.5
"""The score from which a finding counts."""
LONGEST = 50_000
"""How many characters are given to it at once; longer texts are cut into pieces that overlap."""
_OVERLAP = 200
_KINDS = {"PERSON": "NAME", "LOCATION": "ADDRESS", "NRP": "NAME", "PHONE_NUMBER": "PHONE", "CRYPTO": "KEY"}
_RECOGNIZERS = (  # none of those for mail and web addresses, which the core finds: they look for a list on the network
    "AuMedicareRecognizer", "AuTfnRecognizer", "CryptoRecognizer", "EsNieRecognizer", "EsNifRecognizer",
    "FiPersonalIdentityCodeRecognizer", "InAadhaarRecognizer", "InPanRecognizer", "ItFiscalCodeRecognizer",
    "KrRrnRecognizer", "NhsRecognizer", "PhoneRecognizer", "PlPeselRecognizer", "SgFinRecognizer",
    "ThTninRecognizer", "UkNinoRecognizer", "UsItinRecognizer", "UsMbiRecognizer", "UsPassportRecognizer",
    "UsSsnRecognizer",
)  # fmt: skip


class Presidio:
    """Findings of presidio's analyzer, in English."""

    name = "presidio"

    def __init__(self, analyzer: Any, entities: list[str]) -> None:
        self._analyzer, self._entities = analyzer, entities

    def find(self, text: str) -> Iterator[Finding]:
        for start in range(0, len(text), LONGEST):
            piece = text[start : start + LONGEST + _OVERLAP]
            for each in self._analyzer.analyze(piece, "en", entities=self._entities, score_threshold=SURE):
                yield Finding(start + each.start, start + each.end, _KINDS.get(each.entity_type, "ID"))


def make() -> Detector:
    """The detector; raises ImportError without presidio-analyzer. Nothing is downloaded."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    known = next((name for name in MODELS if spacy.util.is_package(name)), None)
    engine: Any = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": known or "blank"}])
    engine.nlp = {"en": spacy.load(known) if known else spacy.blank("en")}
    names = [*_RECOGNIZERS, "SpacyRecognizer"] if known else _RECOGNIZERS
    made = [getattr(predefined_recognizers, name)(supported_language="en") for name in names]
    registry = RecognizerRegistry(recognizers=made, supported_languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    entities = {entity for each in made for entity in each.supported_entities} - {"DATE_TIME"}
    return Presidio(analyzer, sorted(entities))
