"""Text as a voice can say it: long numbers and words in parts, what has no sound left out."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NUMBER = 15
LONGEST_WORD = 40
PROSE = 0.7
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_NUMBER = re.compile(rf"\d{{{LONGEST_NUMBER + 1},}}")
_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
_MARKUP = re.compile(r"[\[\](){}<>*_`|\\]+")  # the voice's own notation for phonemes is made of some of these
_SPACES = re.compile(r"\s+")
_LINK = re.compile(r"\b(?:https?://|www\.)(\S+)")


def spoken(text: str) -> str:
    """*text* without what cannot be said; numbers of more than 15 digits are read digit by digit.

    Empty when nothing in it has a sound.
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(map(_sound, plain))
    plain = _LINK.sub(r"\1", plain)
    plain = _MARKUP.sub(" ", plain)
    plain = _NUMBER.sub(lambda match: " ".join(DIGITS[int(digit)] for digit in match[0]), plain)
    plain = _WORD.sub(lambda match: _parts(match[0]), plain)
    plain = _SPACES.sub(" ", plain).strip()
    return plain if any(map(str.isalnum, plain)) else ""


def is_prose(text: str) -> bool:
    """Whether *text* is mostly words in small letters, and takes about as long to say as it is long."""
    return sum(c.islower() or c == " " for c in text) >= PROSE * len(text)


def letters(text: str) -> str:
    """Only the letters and digits of *text*, for a voice that stumbled over the rest."""
    return " ".join(re.findall(r"[A-Za-z]+|[0-9]", text))


def _sound(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    kind = unicodedata.category(character)
    return " " if kind[0] == "C" or kind in ("So", "Zl", "Zp", "Mn", "Me") else character


def _parts(word: str) -> str:
    return " ".join(word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD))
