"""Which hosts may be reached: every notation, every kind of address, every redirect; nothing is asked here."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loom.adapters._egress import (
    Rules,
    classify,
    judge,
    normal_host,
    parse_rules,
    parse_url,
    redirected,
    refuse_host,
)
from loom.errors import ConfigError, EgressRefused

PUBLIC = ip_address("93.184.216.34")
RULES = parse_rules(["api.example.org", "*.wild.example:8080", "10.1.2.3:90", "localhost:77", "[fd00::1]:8"])


def allowed(url: str, *addresses: str, rules: Rules = RULES) -> bool:
    return judge(url, map(ip_address, addresses or ("93.184.216.34",)), rules) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.org",
        "https://API.Example.ORG./x?token=1#part",
        "http://api.example.org:8443/",
        "http://api。example。org/",
        "http://a.wild.example:8080/",
        "http://a.b.wild.example:8080/",
    ],
)
def test_what_is_on_the_list_and_public_may_be_reached(url: str) -> None:
    assert allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://evil.org/?api.example.org",
        "http://api.example.org.evil.org/",
        "http://evil-api.example.org/",
        "http://wild.example:8080/",
        "http://evilwild.example:8080/",
        "http://a.wild.example/",
        "http://a.wild.example:80800/",
        "http://user@api.example.org/",
        "http://api.example.org@evil.org/",
        "http://evil.org\\@api.example.org/",
        "http://api.example.org\\.evil.org/",
        "http://api.example.org%2eevil.org/",
        "http://api.example.org\t/",
        "http://api.example.org\r\nHost: evil/",
        "http:///api.example.org/",
        "http:api.example.org",
        "//api.example.org/",
        "ftp://api.example.org/",
        "file:///etc/passwd",
        "javascript://api.example.org/",
        "http://api.example.org:0/",
        "http://api.example.org:-1/",
        "http://api.example.org:٨٠/",
        "http://api.example.org:80:80/",
        "http://[api.example.org]/",
        "http://[::1",
        "http://[::1]x/",
        "http://[fd00::1%25eth0]:8/",
        "http://api.exam\u200dple.org/",
        "http://..",
        "http://" + "a" * 64 + ".wild.example:8080/",
        "",
    ],
)
def test_what_is_not_on_the_list_or_has_several_readings_is_refused(url: str) -> None:
    assert judge(url, [PUBLIC], RULES)


def test_nothing_is_allowed_by_default() -> None:
    assert judge("http://example.org", [PUBLIC], Rules())
    assert judge("http://127.0.0.1", [ip_address("127.0.0.1")], Rules(private=True))


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "1.2.3.4.5",
        "0x",
    ],
)
def test_other_spellings_of_ipv4_are_refused_whatever_is_allowed(host: str) -> None:
    assert judge(f"http://{host}/", [ip_address("127.0.0.1")], parse_rules(["127.0.0.1"], private=True))
    with pytest.raises(ConfigError, match="several readings"):
        parse_rules([host])


@given(st.integers(0, 2**32 - 1), st.sampled_from(["d", "o", "#x"]))
def test_a_number_is_never_a_host(number: int, form: str) -> None:
    spelled = "0" + format(number, "o") if form == "o" else format(number, form)
    with pytest.raises(EgressRefused):
        normal_host(spelled)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.0.0.1", "private"), ("172.16.0.1", "private"), ("192.168.1.1", "private"), ("100.64.0.1", "private"),
        ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"), ("100.100.100.200", "metadata"), ("168.63.129.16", "metadata"),
        ("224.0.0.1", "multicast"), ("0.0.0.0", "unspecified"), ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"), ("198.18.0.1", "private"), ("8.8.8.8", "public"), ("::1", "loopback"),
        ("::", "unspecified"), ("fe80::1", "link-local"), ("fec0::1", "private"), ("fc00::1", "private"),
        ("fd00:ec2::254", "metadata"), ("ff02::1", "multicast"), ("2001:db8::1", "private"), ("::7f00:1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"), ("::ffff:169.254.169.254", "metadata"), ("::ffff:8.8.8.8", "public"),
        ("64:ff9b::a00:1", "private"), ("64:ff9b::808:808", "public"), ("2002:7f00:1::", "loopback"),
        ("2606:4700::1111", "public"), ("64:ff9b:1::a00:1", "private"), ("4000::1", "private"),
    ],
)  # fmt: skip
def test_kinds_of_addresses(address: str, kind: str) -> None:
    assert classify(ip_address(address)) == kind
    if kind != "public":
        assert not allowed("http://api.example.org", address)
        assert not allowed("http://api.example.org", "8.8.8.8", address), "one bad address refuses all"
    named = Rules(parse_rules(["api.example.org", address]).hosts)
    assert allowed("http://api.example.org", address, rules=named), "unless it is named"


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
@example(IPv4Address("169.254.169.254"))
def test_no_wrapping_makes_an_inner_address_public(inner: IPv4Address) -> None:
    number = int(inner)
    wrapped = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(int(IPv6Address("2001:0:808:808::")) | (number ^ 0xFFFFFFFF)),
    ]
    for address in wrapped:
        if classify(inner) != "public":
            assert classify(address) != "public"


@given(st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_calls_private_is_never_reached_without_a_grant(
    address: IPv4Address | IPv6Address,
) -> None:
    if address.is_private and getattr(address, "ipv4_mapped", None) is None:
        assert not allowed("http://api.example.org", str(address))


def test_private_opens_the_house_but_not_the_metadata_service() -> None:
    rules = parse_rules(["hub.local"], private=True)
    for address in ("10.0.0.1", "127.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:192.168.1.1"):
        assert allowed("http://hub.local", address, rules=rules)
    for address in ("169.254.169.254", "fd00:ec2::254", "224.0.0.1", "0.0.0.0", "::ffff:169.254.169.254"):
        assert not allowed("http://hub.local", address, rules=rules)


def test_an_address_is_named_with_its_port_and_localhost_names_the_loopback() -> None:
    assert allowed("http://10.1.2.3:90/", "10.1.2.3")
    assert not allowed("http://10.1.2.3/", "10.1.2.3")
    assert not allowed("http://api.example.org/", "10.1.2.3"), "named on another port"
    assert allowed("http://localhost:77/", "127.0.0.1", "::1")
    assert not allowed("http://localhost:77/", "10.0.0.1")
    assert allowed("http://[fd00::1]:8/", "fd00::1")
    assert not allowed("http://[fd00::1]:9/", "fd00::1")


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "http://x.org", "x.org/path", "a b", "x.org:0", "u@x.org", "[::1", 5]
)
def test_a_bad_entry_of_the_list_is_told_at_the_start(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_rules([text])
    with pytest.raises(ConfigError, match="list of hosts"):
        parse_rules("x.org")


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9.@:\\/\[\]%_-]{0,30}", fullmatch=True))
def test_a_verdict_never_raises_and_what_is_allowed_is_read_alike_by_others(url: str) -> None:
    if judge(url, [PUBLIC], RULES) is not None:
        return
    target = parse_url(url)
    assert refuse_host(target, RULES) is None
    assert normal_host(urlsplit(url).hostname or "") == target.host == normal_host(httpx.URL(url).host)


@given(st.text("ab.-_1éαß。．@:/[]%", max_size=20))
def test_a_normal_host_is_its_own_normal_form(text: str) -> None:
    try:
        host = normal_host(text)
    except EgressRefused:
        return
    assert normal_host(host) == host
    assert host.isascii()
    assert not set(host) & set("/@?#\\% ")


def test_redirects_are_judged_anew() -> None:
    start = parse_url("https://api.example.org/a/b?token=secret")
    assert redirected(start, "c?x=1", RULES).url == "https://api.example.org/a/c?x=1"
    assert redirected(start, "//a.wild.example:8080/", RULES).host == "a.wild.example"
    refused = (
        "http://api.example.org/",
        "https://evil.org/",
        "file:///etc/passwd",
        "https://u@api.example.org",
        "x\r\ny",
    )
    for location in refused:
        with pytest.raises(EgressRefused) as told:
            redirected(start, location, RULES)
        assert "secret" not in str(told.value)
    plain = parse_url("http://api.example.org/")
    assert redirected(plain, "https://api.example.org/", RULES).scheme == "https"


def test_no_password_is_shown() -> None:
    why = judge("http://user:pa55@api.example.org/", [PUBLIC], RULES)
    assert why is not None
    assert "user name" in why
    assert "pa55" not in why


def test_no_query_is_shown() -> None:
    target = parse_url("https://api.example.org/path?token=secret")
    assert "secret" not in str(target) + repr(target)
    assert target.url.endswith("?token=secret")
