"""HTTP headers that may be sent: names and values in which nothing else can hide. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from loom.errors import EgressRefused

SECRET_NAMES = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "api-key",
        "x-auth-token",
        "x-access-token",
    }
)
_OURS = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
        "keep-alive", "accept-encoding", "proxy-connection",
    }
)  # fmt: skip
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e]*\Z")
MAX_SIZE = 16_384


def check_headers(headers: Mapping[str, str], *, secrets: bool = True) -> None:
    """Raise EgressRefused for a name or value that cannot be sent, or is not for the sender to set.

    Without *secrets* also for names that carry them: those belong into the configuration. No value is shown.
    """
    size = 0
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.match(name):
            raise EgressRefused(f"{name!r:.80} is no header name")
        if not isinstance(value, str) or not _VALUE.match(value):
            raise EgressRefused(f"the value of header {name!r} is not one line of ASCII text")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise EgressRefused(f"header {name!r} is set by the connection, not by whoever asks for it")
        if not secrets and name.lower() in SECRET_NAMES:
            raise EgressRefused(
                f"header {name!r} carries a secret, and what an action is given is written down; "
                "name it in the action's configuration, from env:NAME"
            )
        size += len(name) + len(value)
    if size > MAX_SIZE:
        raise EgressRefused(f"{size:,} characters of headers are over the limit of {MAX_SIZE:,}")
