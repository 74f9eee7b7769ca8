"""Which addresses are refused, whatever they are written as."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ConfigurationError
from service.kit.addresses import AllowedPrivateHosts, refusal
from service.kit.urls import url_problem

REFUSED = {
    "0.0.0.0": "unspecified",
    "10.255.255.255": "private",
    "100.64.0.1": "private (shared by a carrier)",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "a cloud's metadata service",
    "169.254.169.254": "link-local",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.0.2.7": "reserved for documentation",
    "192.168.1.1": "private",
    "198.19.0.1": "reserved for benchmarks",
    "203.0.113.9": "reserved for documentation",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::2": "reserved",
    "::7f00:1": "reserved",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::1": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",
    "2001:db8::1": "reserved for documentation",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:101::1": "private",
    "3fff::1": "reserved for documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1%eth0": "link-local",
    "fec0::1": "reserved",
    "ff02::1": "multicast",
}
PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::1",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450::1",
]


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
def test_refused(address: str, reason: str) -> None:
    assert refusal(address) == reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(v=4))
def test_every_form_of_an_address_gets_the_same_verdict(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
        ipaddress.IPv6Address((0x64 << 112 | 0xFF9B << 96) | number),
    ]
    assert [refusal(form) for form in forms] == [refusal(address)] * 3


@given(st.ip_addresses())
def test_what_is_allowed_is_global_unicast(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """The standard library's own tables are the oracle; embedded IPv4 is judged as itself."""
    mapped = isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.sixtofour
    )
    if refusal(address) is None and not mapped:
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "covered"),
    [
        ("intern.example", "INTERN.example.", 80, "10.0.0.1", True),
        ("intern.example", "other.example", 80, "10.0.0.1", False),
        ("intern.example:8080", "intern.example", 8080, "10.0.0.1", True),
        ("intern.example:8080", "intern.example", 80, "10.0.0.1", False),
        ("10.0.0.0/8", "any.example", 443, "10.9.9.9", True),
        ("10.0.0.0/8", "any.example", 443, "11.0.0.1", False),
        ("127.0.0.1", "localhost", 1, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, "127.0.0.1", False),
        ("::1", "localhost", 1, "::1", True),
        ("[::1]:9000", "localhost", 9000, "::1", True),
        ("[::1]:9000", "localhost", 9001, "::1", False),
        ("fd00::/8", "x", 1, "fd12::1", True),
    ],
)
def test_allow_list(entry: str, host: str, port: int, address: str, *, covered: bool) -> None:
    allowed = AllowedPrivateHosts(["", entry])
    assert allowed.cover(host, port, ipaddress.ip_address(address)) is covered


def test_an_allow_list_that_is_not_understood_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'intern:http' .* not understood"):
        AllowedPrivateHosts(["intern:http"])


UNUSUAL = "writes its address in an unusual form: use four decimal numbers, e.g. 192.0.2.1"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.com", None),
        ("http://example.com:8080/a?b=c#d", None),
        ("https://bücher.example/", None),
        ("http://127.0.0.1/", None),
        ("http://[::1]:80/", None),
        ("ftp://example.com", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("javascript:alert(1)", "must begin with http:// or https://"),
        ("//example.com", "must begin with http:// or https://"),
        ("example.com", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("http://user@example.com", "must not contain a user name or password"),
        ("http://a:b@example.com", "must not contain a user name or password"),
        ("http://", "names no host"),
        ("http://example.com:0/", "has a port outside 1 to 65535"),
        ("http://example.com:99999/", "has a port outside 1 to 65535"),
        ("http://example.com/\x00", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://2130706433/", UNUSUAL),
        ("http://0x7f000001/", UNUSUAL),
        ("http://0177.0.0.1/", "is not a URL"),
        ("http://127.1/", UNUSUAL),
        ("http://127.0.0.1./", UNUSUAL),
        (f"http://example.com/{'a' * 2048}", "is longer than 2,048 characters"),
    ],
)
def test_form_of_urls(url: str, problem: str | None) -> None:
    assert url_problem(url) == problem


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    url_problem(text)
    url_problem(f"http://{text}")
