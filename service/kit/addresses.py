"""Which IP addresses a request made for someone else may reach.

The tables follow the IANA special-purpose address registries (RFC 6890 and its updates). They are
written out here because `ipaddress.is_private` changed its mind between patch releases of Python.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from service.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_V4 = {
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "private (shared by a carrier)",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "a cloud's metadata service",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "reserved",
    IPv4Network("192.0.2.0/24"): "reserved for documentation",
    IPv4Network("192.88.99.0/24"): "reserved",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("198.18.0.0/15"): "reserved for benchmarks",
    IPv4Network("198.51.100.0/24"): "reserved for documentation",
    IPv4Network("203.0.113.0/24"): "reserved for documentation",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}
_REFUSED_V6 = {
    IPv6Network("::/128"): "unspecified",
    IPv6Network("::1/128"): "loopback",
    IPv6Network("fc00::/7"): "private",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("ff00::/8"): "multicast",
    IPv6Network("2001::/23"): "reserved",
    IPv6Network("2001:db8::/32"): "reserved for documentation",
    IPv6Network("3fff::/20"): "reserved for documentation",
}
_GLOBAL_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def refusal(address: Address | str) -> str | None:
    """Say why an address may not be reached, e.g. `loopback`; None when it is public.

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) is judged as itself.
    """
    if isinstance(address, str):
        address = ip_address(address)
    if isinstance(address, IPv4Address):
        return _find(address, _REFUSED_V4)
    if reason := _find(address, _REFUSED_V6):
        return reason
    if inner := _inner(address):
        return refusal(inner)
    return None if address in _GLOBAL_V6 else "reserved"


def _find(address: Address, table: dict[IPv4Network, str] | dict[IPv6Network, str]) -> str | None:
    return next((reason for network, reason in table.items() if address in network), None)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this IPv6 address end up at, if there is one."""
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the allow list: a name or a network, on one port or on all."""

    name: str | None
    network: Network | None
    port: int | None

    def covers(self, host: str, port: int, address: Address) -> bool:
        if self.port not in (None, port):
            return False
        return host == self.name if self.network is None else address in self.network


class AllowedPrivateHosts:
    """The private hosts an operator opened: `name`, `name:port`, an address, or a CIDR network.

    Raises:
        ConfigurationError: an entry is none of these.
    """

    def __init__(self, entries: Collection[str]) -> None:
        self._entries = tuple(_parse(entry.strip()) for entry in entries if entry.strip())

    def cover(self, host: str, port: int, address: Address) -> bool:
        """Tell whether `address`, found under the name `host`, was opened."""
        host = host.lower().rstrip(".")
        return any(entry.covers(host, port, address) for entry in self._entries)


def _parse(entry: str) -> _Entry:
    if (network := _network(entry)) is not None:
        return _Entry(None, network, None)
    host, separator, digits = entry.rpartition(":")
    if not separator:
        host = entry
    elif not digits.isdecimal():
        raise ConfigurationError(
            f"'{entry}' in the allowed private hosts is not understood. "
            "Write a name, name:port, an address or a network such as 10.0.0.0/8."
        )
    port = int(digits) if separator else None
    if (network := _network(host.strip("[]"))) is not None:
        return _Entry(None, network, port)
    return _Entry(host.lower().rstrip("."), None, port)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
