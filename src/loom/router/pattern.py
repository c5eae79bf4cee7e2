"""Regular expressions of strangers: only those whose time cannot explode, on no more text than they can take. Pure."""

from __future__ import annotations

import re
import re._parser as parser  # type: ignore[import-not-found]  # the parser of re itself; not in its stubs
import warnings
from functools import lru_cache

from loom.errors import ConfigError
from loom.router._ways import ways

LONGEST = 40_000
SEEN = 8_000
"""Characters of a text that a pattern looks at: its beginning and its end."""
MOST = 50_000
"""Ways in which a pattern may match from one place, besides one repeat that goes as far as the text does."""


@lru_cache(maxsize=1024)
def compiled(pattern: str, where: str, flags: int = 0) -> re.Pattern[str]:
    """*pattern*, checked; raises ConfigError for one that is none, is too long, or repeats what repeats."""
    if len(pattern) > LONGEST:
        raise ConfigError(f"{where}: a pattern of {len(pattern):,} characters; at most {LONGEST:,} are taken")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what another Python may read otherwise
            tree = parser.parse(pattern, flags)
            found = re.compile(pattern, flags)
        many = ways(tree)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where}: {pattern[:60]!r} is no pattern that Python knows: {error}") from None
    if many.degree > 1 or many.factor > MOST:
        raise ConfigError(
            f"{where}: {pattern[:60]!r} repeats what repeats, or has several long repeats in a row, so that a text "
            "could keep it busy for ever; write .{0,80} for .*"
        )
    return found


def window(text: str) -> str:
    """What of *text* is looked at."""
    half = SEEN // 2
    return text if len(text) <= SEEN else f"{text[:half]}\n{text[-half:]}"
