"""National numbers of persons, by their check digits: the ones that the package python-stdnum knows."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from loom.privacy.finding import Detector, Finding

_TOLD = (
    r"\b(?:ssn|sin|tin|nin|bsn|pesel|cpf|cnpj|nir|nif|nhs|cnp|egn|amka|idnr|tfn|aadha+r|tc kimlik|insee|rrn|cpr|"
    r"curp|pps|social security|tax(?:payer)? (?:id|number|no)|national (?:id|insurance|number)|"
    r"identity (?:card|number|no)|id (?:number|no|card)|"
    r"steuer\w*|identifikationsnummer|sozialversicherung\w*|personnummer|fødselsnummer|fodselsnummer|"
    r"burgerservicenummer|"
    r"rijksregister\w*|num[ée]ro (?:fiscal|de sécurité sociale)|"
    r"contribuinte|persoonsnummer|teudat|patient)\b[^\n]{0,32}\Z"
)
_TELLS = re.compile(_TOLD, re.IGNORECASE)


class _Form(NamedTuple):
    """Numbers of the shape *pattern* that the module *name* of stdnum accepts; *told*: only after a word that tells."""

    name: str
    pattern: str
    told: bool = False


_S = r"[ .\-]?"
FORMS = (
    _Form("fr.nir", rf"[1-478]{_S}\d\d{_S}\d\d{_S}\d[\dAB]{_S}\d{{3}}{_S}\d{{3}}{_S}\d\d"),
    _Form("it.codicefiscale", rf"[A-Z]{{3}}{_S}[A-Z]{{3}}{_S}\w\w[A-EHLMPRST]\w\w{_S}[A-Z]\w{{3}}[A-Z]"),
    _Form("es.dni", rf"\d\d[.]?\d{{3}}[.]?\d{{3}}{_S}[A-Z]"),
    _Form("es.nie", rf"[XYZ]{_S}\d{{7}}{_S}[A-Z]"),
    _Form("cn.ric", r"\d{17}[\dX]"),
    _Form("ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d"),
    _Form("fi.hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Z]"),
    _Form("se.personnummer", r"(?:19|20)?\d{6}[-+]\d{4}"),
    _Form("dk.cpr", r"\d{6}-\d{4}"),
    _Form("kr.rrn", r"\d{6}-\d{7}"),
    _Form("cz.rc", r"\d{6}/\d{3,4}"),
    _Form("mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d"),
    _Form("in_.pan", r"[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]"),
    _Form("ie.pps", r"\d{7}[A-W][A-IW]?"),
    _Form("cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dK]"),
    _Form("ar.cuit", r"\d\d-\d{8}-\d"),
    _Form("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    _Form("br.cnpj", r"\d\d\.\d{3}\.\d{3}/\d{4}-\d\d"),
    _Form("us.ssn", r"\d{3}-\d\d-\d{4}"),
    _Form("us.ssn", r"\d{9}", told=True),
    _Form("us.itin", r"9\d\d-\d\d-\d{4}"),
    _Form("br.cpf", r"\d{11}", told=True),
    _Form("de.idnr", rf"\d\d{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", told=True),
    _Form("nl.bsn", rf"\d{{4}}{_S}\d\d{_S}\d{{3}}|\d{{9}}", told=True),
    _Form("pl.pesel", r"\d{11}", told=True),
    _Form("gb.nhs", rf"\d{{3}}{_S}\d{{3}}{_S}\d{{4}}", told=True),
    _Form("no.fodselsnummer", r"\d{6} ?\d{5}", told=True),
    _Form("be.nn", r"\d\d[.]?\d\d[.]?\d\d-?\d{3}[.]?\d\d", told=True),
    _Form("pt.nif", rf"\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", told=True),
    _Form("tr.tckimlik", r"[1-9]\d{10}", told=True),
    _Form("in_.aadhaar", rf"[2-9]\d{{3}}{_S}\d{{4}}{_S}\d{{4}}", told=True),
    _Form("ca.sin", rf"\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", told=True),
    _Form("au.tfn", rf"\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", told=True),
    _Form("za.idnr", r"\d{13}", told=True),
    _Form("ro.cnp", r"\d{13}", told=True),
    _Form("bg.egn", r"\d{10}", told=True),
    _Form("ee.ik", r"\d{11}", told=True),
    _Form("gr.amka", r"\d{11}", told=True),
    _Form("il.idnr", r"\d{9}", told=True),
    _Form("at.vnr", rf"\d{{4}}{_S}\d{{6}}", told=True),
)
"""The shapes that are looked at; those of digits alone pass some check digit too often to go untold."""


class NationalNumbers:
    """Numbers that a state gives to a person or a firm, with the right check digits."""

    name = "stdnum"

    def __init__(self, checks: list[tuple[re.Pattern[str], Callable[[str], bool], bool]]) -> None:
        self._checks = checks

    def find(self, text: str) -> Iterator[Finding]:
        for pattern, is_valid, told in self._checks:
            for match in pattern.finditer(text):
                if (not told or _TELLS.search(text[max(0, match.start() - 64) : match.start()])) and is_valid(
                    match[0]
                ):
                    yield Finding(*match.span(), "ID")


def make() -> Detector:
    """The detector; raises ImportError without python-stdnum."""
    import stdnum

    checks = []
    for form in FORMS:
        module = importlib.import_module(f"{stdnum.__name__}.{form.name}")
        pattern = re.compile(rf"(?<![\w.])(?:{form.pattern})(?![\w])", re.IGNORECASE)
        checks.append((pattern, module.is_valid, form.told))
    return NationalNumbers(checks)
