"""Lists of texts in settings: checked, since a single text would pass for a list of its letters."""

from __future__ import annotations

from collections.abc import Sequence

from loom.errors import ConfigError


def texts(key: str, value: object, default: Sequence[str] = ()) -> tuple[str, ...]:
    """*value* as a tuple of texts that are not empty, *default* for None; raises ConfigError naming *key*."""
    if value is None:
        return tuple(default)
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) and part for part in value):
        raise ConfigError(f'{key} must be a list of texts, as in {key} = ["one", "two"], not {value!r:.80}')
    return tuple(value)
