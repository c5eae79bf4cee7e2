"""Secrets in command lines and calls, where their place tells of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_V = r"[\"']?([^\s\"']{3,256}+)"
_SAME = r"[^\n|;&]{0,120}?"  # the rest of the same command
_FORMS = {
    "-": r"-(?<!\S-)-?[\w\-]{0,24}?(?:password|passwd|passphrase|token|secret|api-?key|access-?key)[ \t]{1,3}(?!-)"
    rf"(?:<<<[ \t]?)?{_V}",
    " -": r"-(?<!\S-)(?:u|-user)[ =]{1,2}[\"']?[^\s:\"']{1,64}+:([^\s\"']{1,256}+)",
    "identified by": r"\bidentified by [\"']([^\s\"']{1,256}+)",
    "bearer": r"\bbearer[ \t]{1,3}(?=[A-Za-z._~+/=\-]{0,64}\d)([\w.~+/=\-]{8,512}+)",
    " -p": rf"\b(?:sshpass|(?:docker|podman|az|oc|buildah|skopeo|helm registry) login)\b{_SAME} -p[ =]?{_V}",
    "mysql": rf"\bmysql(?:dump|admin|import)?\b{_SAME} -p{_V}",
    "mariadb": rf"\bmariadb\b{_SAME} -p{_V}",
    "redis-cli": rf"\bredis-cli\b{_SAME} -a {_V}",
    "htpasswd": rf"\bhtpasswd -\w{{1,6}} \S{{1,128}}+ \S{{1,64}}+ {_V}",
    "openssl": rf"\bopenssl\b{_SAME} (?:-k |-pass(?:in|out)? pass:){_V}",
    "net user": rf"\bnet user \S{{1,64}}+ (?!/){_V}",
    "sudo": rf"\becho {_V}[\"']? \| ?sudo -s\b",
    "chpasswd": r"\becho [\"']?[^\s:\"']{1,64}+:([^\s\"']{1,256}+)[\"']? \| ?chpasswd",
    "wifi:": r"\bwifi:(?:[st]:[^\n;]{0,64};|h:\w{0,5};){0,3}p:((?:[^\n;\\]|\\.){1,128}+)",
    "securestring": r"\bsecurestring (?:-string )?[\"']([^\"'\n]{1,256}+)",
    "(": r"\((?:(?<=auth\()|(?<=auth=\()|(?<=auth = \()|(?<=login\()|(?<=authenticate\())"
    r" ?[\"'][^\"'\n]{1,64}+[\"'], ?[\"']([^\"'\n]{1,256}+)",
    "@": r"(?:\bsqlplus |\bjdbc:oracle:\w{2,6}:)[^\s/]{1,64}+/([^\s@]{1,256}+)@",
    "private-lines": r"\bprivate-lines: \d{1,3}\s{1,2}([a-z0-9+/=\s]{1,16384}+)",
}  # fmt: skip
"""Patterns in small letters by what is in every text that one of them finds something in."""
_ALL = tuple((told, re.compile(pattern)) for told, pattern in _FORMS.items())
_SHORT = re.compile(r"(?:pin|cvv2?|cvc2?|cvn|cid|otp)(?:[ \t#]{1,3}|:\s)(\d{3,8})\b")


def commanded(low: str) -> Iterator[Finding]:
    """Passwords that commands and calls are given; *low* is the text in small letters."""
    for told, pattern in _ALL:
        for match in pattern.finditer(low) if told in low else ():
            yield Finding(*match.span(1), "SECRET")
    for match in _SHORT.finditer(low):
        if not low[match.start() - 1 : match.start()].isalnum():
            yield Finding(*match.span(1), "SECRET")
