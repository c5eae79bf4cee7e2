"""Postal addresses: streets with a number, in several languages, and post codes of unmistakable form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_UP = r"[^\W\d_a-zà-öø-ÿ][\w'’.\-]{0,30}+"
_LAZY = r"[^\W\d_a-zà-öø-ÿ][\w'’.\-]{0,30}?"  # the rest of the word is looked at
_SUFFIX = (
    "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Square|Sq|Terrace|Ter|Crescent|"
    "Cres|Close|Circle|Cir|Trail|Trl|Row|Mews|Highway|Hwy|Parkway|Pkwy|Alley|Loop|Pike|Grove|Gardens|Gate|Quay|Walk|"
    "Hill|Plaza|Ridge|Run|Point|View|Heights|Crossing|Path|Trace|Bend|Cove|Creek|Landing|Turnpike|Esplanade|"
    "Parade|Rise"
)
_SUFFIX = f"{_SUFFIX}|{_SUFFIX.upper()}"
_NUMBER = r"(?<![\w.])(?<!\d,)\d{1,6}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?,? (?:[NSEW]{1,2}\.? )?"
_NAMED = rf"(?:(?:{_UP}|\d{{1,3}}(?:st|nd|rd|th)|of|the) ){{1,4}}?(?:{_SUFFIX})\b\.?(?: [NSEW]{{1,2}}\b)?"
_UNIT = r"(?:,? {0,2}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)\.? {0,2}#?[\w\-]{1,6}+)?"
_POSTCODE = r"(?:,? {0,2}(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b))?"
_TOWN = rf"(?:,[ \n]{{0,2}}{_UP}(?: {_UP}){{0,2}})?{_POSTCODE}"
_CODE = rf"(?:,?[ \n]{{1,2}}\d{{4,5}}(?: {_UP}(?: {_UP}){{0,2}})?)?"
_OF = (
    r"(?:(?:de|du|des|d[eo]s?|da|das|del|della|dello|dei|di|la|las|los|le|les|van|der|den) |l['’]|d['’]){0,3}"
)
_NO = r"(?:,? {0,2}(?:[Nn][º°o.r]{0,3} ?|д\. ?|буд\. ?)?\d{1,5}(?:[/\-]\d{1,4}){0,2}(?: ?[a-zA-Zа-я]\b)?)"
_PART = (
    r"(?:,? (?:Dp?to|Depto|Of|Int|Interior|Edif|Apto?|Appartamento|Puerta|Piso|Piano|Scala|Esc|кв|к|корп|стр|app|"
    r"bte)\.? ?\w{1,5}(?:/\d{1,3})?){0,2}"
)
_WAYS = "Straße|Strasse|Str\\.|Weg|Gasse|Platz|Allee|Allé|Ring|Damm|Ufer|Chaussee"
_JOINED = (
    rf"(?<!\w)(?:{_UP} ){{0,2}}?{_LAZY}(?i:{_WAYS}|straat|laan|plein|gracht|kade|baan|"
    "boulevard|dreef|singel|steeg|dijk|gade|vej|stræde|gatan|vägen|gränd|stigen|torget|veien|vegen|gata|svingen|katu|kuja|"
    "polku|bulevardi|tie)"
)
_RUE = (
    "(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin|[Ii]mpasse|[Aa]llée|[Qq]uai|[Cc]ours|[Rr]oute|[Ss]quare|"
    "[Pp]assage|[Mm]ontée|[Ff]aubourg|[Vv]oie)"
)
_CALLE = (
    r"(?=[CcAaPpRrTtVvLlSsBbOoUuУуПпБбНнШшВв])(?:[Cc]alle|C/|[Aa]venida|[Aa]vda?\.|[Pp]laza|[Pp]aseo|[Cc]arrer|[Rr]ua|[Tt]ravessa|[Vv]ia|[Vv]iale|[Pp]iazza|"
    r"[Cc]orso|[Ll]argo|[Vv]icolo|[Ss]trada|[Bb]orgo|[Cc]ontrada|[Aa]lameda|[Pp]raça|[Cc]amino|[Rr]onda|[Cc]uesta|"
    r"[Pp]asaje|[Cc]arretera|Av\.?(?= )|[Rr]ue|[Aa]venue|[Cc]hemin|[Uu]l\.|[Uu]lica|[Aa]l\.|[Aa]leja|[Pp]l\.(?= )|"
    r"[Pp]lac|[Oo]s\.(?= )|[Уу]л\.|[Уу]лица|[Пп]р\.|[Пп]роспект|[Пп]ер\.|[Пп]ереулок|[Бб]ул\.|[Бб]ульвар|[Нн]аб\.|"
    r"[Нн]абережная|[Шш]оссе|[Пп]л\.|[Пп]лощадь|[Вв]ул\.|[Вв]улиця|[Пп]ровулок)"
)
_WORD = r"(?!(?:the|in|on|of|to|and|my|this|that)\b)[a-z'\-]{2,20}+"
_STATES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|"
    "W[AIVY]"
)
_FLAT = _UNIT + _CODE
_FORMS = (
    _NUMBER + _NAMED + _UNIT + _TOWN,
    rf"(?<![\w.])(?<!\d,)\d{{1,6}}[a-z]? (?:{_WORD} ){{1,2}}?(?:street|avenue|road|boulevard|lane)\b",
    _JOINED + rf" \d{{1,4}}(?: ?[a-zA-Z]\b)?(?:[-/]\d{{1,4}}){{0,2}}{_CODE}",
    rf"(?<!\w)(?:{_UP} ){{1,3}}?(?:{_WAYS}) \d{{1,4}}(?: ?[a-zA-Z]\b)?(?:[-/]\d{{1,4}}){{0,2}}{_CODE}",
    rf"(?<![\w.])(?<!\d,)\d{{1,5}}(?: ?(?:bis|ter|quater|[A-Z])\b)?,? {_RUE} {_OF}{_UP}(?:[ \-]{_UP}){{0,3}}{_FLAT}",
    rf"(?<!\w){_CALLE} ?{_OF}(?:{_UP}[ ,]{{0,2}}){{1,4}}?{_NO}{_PART}{_CODE}",
    r"(?i:(?<!\w)P\.? ?O\.? ?Box \d{1,6})",
    r"(?i:(?<!\w)Postfach \d[\d ]{0,7})",
    r"(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[A-BD-HJLNP-UW-Z]{2}(?!\w)",  # United Kingdom
    r"(?<!\w)[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d(?!\w)",  # Canada
    rf"(?<!\w)(?:{_STATES}) \d{{5}}(?:-\d{{4}})?(?!\w)",
    r"〒 ?\d{3}-\d{4}",
)
_ALL = tuple(re.compile(form) for form in _FORMS)


class Street:
    """Street addresses of the forms used in a dozen countries; a town alone is none."""

    name = "address"

    def find(self, text: str) -> Iterator[Finding]:
        for pattern in _ALL:
            for match in pattern.finditer(text):
                yield Finding(*match.span(), "ADDRESS")
