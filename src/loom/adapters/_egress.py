"""Which hosts may be reached: (URL, addresses it resolved to, rules) to allowed or a reason. Pure; nothing is asked.

A URL has one reading or is refused: no user names, no backslashes, no spelling of an IPv4 address but four plain
decimals. A host is on the allow-list before its name is looked up, so that a refused name never reaches a DNS server;
every address that it resolves to is judged, whatever notation hides it, before a connection is made to one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import quote, urljoin

from loom.errors import ConfigError, EgressRefused

Address = IPv4Address | IPv6Address
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "mqtt": 1883, "mqtts": 8883, "tcp": 10700}
SECURE = frozenset({"https", "wss", "mqtts"})
MAX_URL = 8192
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,15})://([^/?#]*)([^#]*)(?:#.*)?\Z")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_TWO_READINGS = frozenset("ßς\u200c\u200d")  # IDNA 2003 and 2008 make different names of these
_PUBLIC_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
            "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        ),
    )
)  # fmt: skip
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NEVER_BY_CLASS = frozenset({"metadata", "multicast", "unspecified", "reserved"})


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that has one reading: host in lower-case ASCII, *path* with its query, which is not shown."""

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def address(self) -> Address | None:
        """The address that the host is, if it is one."""
        return literal(self.host)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs share that may share secrets."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """What a Host header says: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it, secrets included; not for logs."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    def __str__(self) -> str:
        path = self.path.partition("?")[0]
        return f"{self.scheme}://{self.netloc}{path if len(path) <= 200 else path[:200] + '...'}"


class HostRule(NamedTuple):
    """One entry of an allow-list: a host, or with *wild* everything below it, on *port* or on any."""

    host: str
    wild: bool = False
    port: int | None = None

    def fits(self, host: str, port: int) -> bool:
        """Whether it allows this host and port."""
        named = host.endswith("." + self.host) if self.wild else host == self.host
        return named and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one adapter may reach: *hosts*, and with *private* also addresses that are not of the public internet."""

    hosts: tuple[HostRule, ...] = ()
    private: bool = False

    def names(self, address: Address, port: int) -> bool:
        """Whether this very address is on the list, or it is the loopback one and ``localhost`` is."""
        for rule in self.hosts:
            if rule.wild or rule.port not in (None, port):
                continue
            if literal(rule.host) == address or (rule.host == "localhost" and address in _LOOPBACK):
                return True
        return False


def parse_rules(allow: Iterable[str], private: bool = False) -> Rules:
    """Rules from the texts of a configuration: ``host``, ``host:port``, ``*.example.org``; raises ConfigError."""
    if isinstance(allow, str):
        raise ConfigError(f"allow = {allow!r}: write a list of hosts, allow = [{allow!r}]")
    return Rules(tuple(_host_rule(text) for text in allow), private)


def _host_rule(text: object) -> HostRule:
    if not isinstance(text, str):
        raise ConfigError(f"allow names hosts such as 'api.example.org', not {text!r}")
    try:
        literal_6 = literal(text) if text.count(":") > 1 and not text.startswith("[") else None
        host, port = (text, None) if literal_6 else split_port(text)
        wild = host.startswith("*.")
        return HostRule(normal_host(host.removeprefix("*.")), wild, port)
    except EgressRefused as error:
        raise ConfigError(f"allow: {text!r}: {error}; write 'host', 'host:port' or '*.example.org'") from None


def parse_url(url: str, schemes: Iterable[str] = ("http", "https")) -> Target:
    """The one reading of *url*; raises EgressRefused when it has none, or several. The message holds no secret."""
    if not isinstance(url, str) or len(url) > MAX_URL:
        raise EgressRefused(f"a URL is text of at most {MAX_URL} characters")
    if bad := _UNPRINTABLE.search(url):
        raise EgressRefused(f"the URL has {bad[0]!r} at position {bad.start()}; encode it as %XX")
    match = _URL.match(url)
    if match is None:
        raise EgressRefused("the URL has no scheme and host; write it as https://host/path")
    scheme, authority, path = match[1].lower(), match[2], match[3]
    if scheme not in schemes:
        raise EgressRefused(f"scheme {scheme!r} is not used here; use {' or '.join(schemes)}")
    if "@" in authority:
        raise EgressRefused("the URL holds a user name; give credentials in a header from env:NAME")
    host, port = split_port(authority)
    path = quote(path, safe="/?&=%+,;:@!$'()*~-._[]#")
    path = path if path.startswith("/") else "/" + path
    return Target(scheme, normal_host(host), PORTS[scheme] if port is None else port, path)


def split_port(authority: str) -> tuple[str, int | None]:
    """Host (an IPv6 address in brackets stays in them) and port of ``host[:port]``; raises EgressRefused."""
    if authority.startswith("["):
        host, closed, rest = authority.partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise EgressRefused(f"host {authority!r:.80} is not of the form [address]:port")
        host, colon, port = host + "]", rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not colon:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise EgressRefused(f"port {port!r:.20} is not a number from 1 to 65535")
    return host, int(port)


def normal_host(text: str) -> str:
    """*text* as every part of Loom writes it: lower-case ASCII, an address in its usual form; raises EgressRefused."""
    if text.startswith("[") or ":" in text:
        address = literal(text.strip("[]"))
        if not isinstance(address, IPv6Address) or address.scope_id:
            raise EgressRefused(f"host {text!r:.80} is no IPv6 address")
        return str(address)
    host = _ascii(text).lower().removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > 253 or not all(map(_LABEL.match, labels)):
        raise EgressRefused(f"host {text!r:.80} is no host name")
    if _NUMBER.match(labels[-1]) and literal(host) is None:
        raise EgressRefused(
            f"host {text!r:.80} is a number with several readings; write the address as a.b.c.d"
        )
    return host


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if len(text) > 253 or not _TWO_READINGS.isdisjoint(text):
        raise EgressRefused(f"host {text!r:.80} has no single ASCII form; write that (xn--...)")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        raise EgressRefused(f"host {text!r:.80} is no host name") from None


def literal(host: str) -> Address | None:
    """The address that *host* spells, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def classify(address: Address) -> str:
    """What kind of address it is, or holds inside: "public", or why it is not."""
    if address in _METADATA:
        return "metadata"
    inner = embedded(address)
    if inner is not None and (kind := classify(inner)) != "public":
        return kind
    for kind in ("unspecified", "loopback", "multicast"):
        if getattr(address, f"is_{kind}"):
            return kind
    if address.is_link_local:
        return "link-local"
    if isinstance(address, IPv6Address):
        if inner is not None:
            return "private" if address.teredo is not None else "public"
        return "public" if address in _PUBLIC_6 and address.is_global else "private"
    if address.is_reserved or address == IPv4Address("255.255.255.255"):
        return "reserved"
    return "public" if address.is_global else "private"


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4 or Teredo."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None or address.sixtofour is not None:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64 or (address in _COMPATIBLE and low > 0xFFFF):
        return IPv4Address(low)
    return None


def refuse_host(target: Target, rules: Rules) -> str | None:
    """Why this host and port are not allowed, whatever they resolve to; None when they are."""
    if any(rule.fits(target.host, target.port) for rule in rules.hosts):
        return None
    return f"host {target.host!r}, port {target.port}, is not on the allow-list; add it to allow = [...]"


def refuse_address(target: Target, address: Address, rules: Rules) -> str | None:
    """Why this address of the target may not be connected to; None when it may."""
    if isinstance(address, IPv6Address) and address.scope_id:
        address = IPv6Address(int(address))
    kind = classify(address)
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if kind == "public" or rules.names(address, target.port) or rules.names(plain, target.port):
        return None
    if kind in _NEVER_BY_CLASS:
        return f"{target.host!r} is at {address}, a {kind} address; name that address in allow to reach it"
    if rules.private:
        return None
    return (
        f"{target.host!r} is at {address}, a {kind} address; set private = true or name that address in allow"
    )


def refuse_addresses(target: Target, addresses: Iterable[Address], rules: Rules) -> str | None:
    """Why the target may not be reached at any of its addresses: one that is refused refuses all."""
    found = list(addresses)
    if not found:
        return f"{target.host!r} has no address"
    return next((why for a in found if (why := refuse_address(target, a, rules))), None)


def judge(url: str, addresses: Iterable[Address], rules: Rules) -> str | None:
    """Why *url*, which resolves to *addresses*, may not be reached under *rules*; None when it may."""
    try:
        target = parse_url(url)
    except EgressRefused as error:
        return str(error)
    return refuse_host(target, rules) or refuse_addresses(target, addresses, rules)


def redirected(target: Target, location: str, rules: Rules) -> Target:
    """Where a redirect of *target* leads; raises EgressRefused. Its addresses are still to be judged."""
    if bad := _UNPRINTABLE.search(location):
        raise EgressRefused(f"{target} redirects to a URL with {bad[0]!r} in it")
    try:
        joined = urljoin(target.url, location)
    except ValueError:
        raise EgressRefused(f"{target} redirects to what is no URL") from None
    schemes = ("https",) if target.scheme == "https" else ("http", "https")
    try:
        new = parse_url(joined, schemes)
    except EgressRefused as error:
        raise EgressRefused(f"{target} redirects to what may not be followed: {error}") from None
    if why := refuse_host(new, rules):
        raise EgressRefused(f"{target} redirects: {why}")
    return new
