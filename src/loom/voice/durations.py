"""Lengths of time, as they are spoken."""

from __future__ import annotations

import re

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_ONES = f"zero one two three four five six seven eight nine {_TEENS}".split()
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_NUMBERS = {**{word: n for n, word in enumerate(_ONES)}, **_TENS}
_UNITS = {
    "second": 1.0,
    "sec": 1.0,
    "minute": 60.0,
    "min": 60.0,
    "hour": 3600.0,
    "hr": 3600.0,
    "day": 86400.0,
}
_UNIT = r"(?P<unit>second|sec|minute|min|hour|hr|day)s?\b"
_HALF_OF = re.compile(rf"(?<!and a )\bhalf (?:an? |of an? )?{_UNIT}")
_COUNTED = re.compile(
    rf"\b(?P<count>\d+(?:\.\d+)?|an?)(?P<half> and a half)? {_UNIT}(?P<more> and a half\b)?"
)
_WORDS = re.compile(r"\d+(?:\.\d+)?|[a-z]+")
LONGEST = 366 * 86400.0


def duration(text: str) -> float | None:
    """Seconds of the length of time in *text*, as in "a minute and a half" or "1 hour 20 minutes"; None without one.

    At most a year.
    """
    plain = _with_figures(text)
    total = sum(0.5 * _UNITS[found["unit"]] for found in _HALF_OF.finditer(plain))
    for found in _COUNTED.finditer(_HALF_OF.sub(" ", plain)):
        count = 1.0 if found["count"].startswith("a") else float(found["count"])
        halves = 0.5 if found["half"] or found["more"] else 0.0
        total += (count + halves) * _UNITS[found["unit"]]
    return total if 0 < total <= LONGEST else None


def spoken(seconds: float) -> str:
    """*seconds* in words: "1 minute and 30 seconds"; what is under a second is "a moment"."""
    left, parts = round(seconds), []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    if not parts:
        return "a moment"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _with_figures(text: str) -> str:
    """*text* in small letters, without punctuation, its number words as figures."""
    lowered = text.lower().replace("-", " ").replace("a couple of", "2").replace("a hundred", "one hundred")
    out: list[str] = []
    number: int | None = None
    for word in _WORDS.findall(lowered):
        if (value := _NUMBERS.get(word)) is not None and not _joins(number, value):
            out += [] if number is None else [str(number)]
            number = value
        elif value is not None:
            number = (number or 0) + value
        elif word == "hundred" and number is not None and number < 10:
            number *= 100
        elif not (word == "and" and number is not None and number >= 100):
            out += [word] if number is None else [str(number), word]
            number = None
    return " ".join(out if number is None else [*out, str(number)])


def _joins(number: int | None, value: int) -> bool:
    """Whether *value* goes on with *number*, as "five" does with "twenty"."""
    if number is None:
        return False
    return (number >= 100 and number % 100 == 0 and value < 100) or (
        number >= 20 and number % 10 == 0 and 0 < value < 10
    )
