"""The form of URLs that people name. One parser (httpx's) judges and calls them."""

from ipaddress import ip_address

import httpx

MAX_URL = 2_048


def url_problem(url: str) -> str | None:
    """Say what is wrong with the form of a URL, to be read after its name; None when it is fine.

    Only http and https, no user name or password, no address in an unusual form. Whether the
    host may be called is not judged here: see `Outbound.check`.
    """
    if len(url) > MAX_URL:
        return f"is longer than {MAX_URL:,} characters"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "is not a URL"
    if parsed.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    return _host_problem(parsed)


def _host_problem(url: httpx.URL) -> str | None:
    if url.userinfo:
        return "must not contain a user name or password"
    if not url.host:
        return "names no host"
    if url.port is not None and not 0 < url.port < 65_536:
        return "has a port outside 1 to 65535"
    if _ends_in_number(url.host) and not _is_address(url.host):
        return "writes its address in an unusual form: use four decimal numbers, e.g. 192.0.2.1"
    return None


def _ends_in_number(host: str) -> bool:
    """Find `2130706433`, `0x7f.1` and the like: readers disagree on which address they mean."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdecimal() or last.startswith("0x")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
