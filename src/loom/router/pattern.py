"""Regular expressions of strangers: only those whose time cannot explode, on no more text than they can take. Pure."""

from __future__ import annotations

import re
import re._parser as parser  # type: ignore[import-not-found]  # the parser of re itself; not in its stubs
import warnings
from functools import lru_cache

from loom.errors import ConfigError
from loom.router._ways import Ways, ways

LONGEST = 40_000
SEEN = 8_000
"""Characters of a text that a pattern looks at: its beginning and its end."""
SEEN_TWICE = 600
"""The same for a pattern that tries a long repeat anew wherever another may stop, as ``foo.*bar.*baz``."""
MOST = 50_000
"""Ways in which a pattern may match from one place, besides one repeat that goes as far as the text does."""


@lru_cache(maxsize=1024)
def compiled(pattern: str, where: str, flags: int = 0) -> re.Pattern[str]:
    """*pattern*, checked; raises ConfigError for one that is none, is too long, or repeats what repeats."""
    if len(pattern) > LONGEST:
        raise ConfigError(f"{where}: a pattern of {len(pattern):,} characters; at most {LONGEST:,} are taken")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what another Python may read otherwise
            found = re.compile(pattern, flags)
        many = _ways(found)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where}: {pattern[:60]!r} is no pattern that Python knows: {error}") from None
    if many.work > 2 or many.factor > MOST:
        raise ConfigError(
            f"{where}: {pattern[:60]!r} repeats what repeats, or has more than two long repeats, so that a text "
            "could keep it busy for ever; write .{0,80} for .*"
        )
    return found


@lru_cache(maxsize=1024)
def reach(pattern: re.Pattern[str]) -> int:
    """How many characters *pattern*, which `compiled` made, may look at."""
    return SEEN if _ways(pattern).work <= 1 else SEEN_TWICE


def _ways(pattern: re.Pattern[str]) -> Ways:
    with warnings.catch_warnings(action="ignore"):
        return ways(parser.parse(pattern.pattern, pattern.flags))


def window(text: str, pattern: re.Pattern[str]) -> str:
    """What of *text* is looked at by *pattern*, which `compiled` made."""
    most = reach(pattern)
    return text if len(text) <= most else f"{text[: most // 2]}\n{text[-most // 2 :]}"
