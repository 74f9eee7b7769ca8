"""Platforms as accounts are connected to them: by name, where they are, and whether they may."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

from service.config import Settings
from service.errors import InvalidInput, Problem
from service.kit.addresses import AllowedPrivateHosts, refusal
from service.kit.outbound import OutboundRefused
from service.platforms import sandbox
from service.platforms.contract import OAuth, Platform
from service.platforms.failures import PlatformError
from service.platforms.registry import ALIASES
from service.runtime import Runtime

INSIDE = (".localhost", ".local", ".internal", ".lan", ".localdomain", ".home.arpa")
"""Ends of names that no platform can look up."""


def known(runtime: Runtime, name: str, *, local: bool = False) -> Platform:
    """Return the platform of a name; `local` for an account that only looks like one of it.

    Raises:
        InvalidInput: there is none.
    """
    name = ALIASES.get(name, name)
    if name not in runtime.platforms:
        names = ", ".join(runtime.platforms)
        raise InvalidInput([Problem("platform", f"'{name}' is unknown; known: {names}")])
    return sandbox.adapter(runtime.platforms, name, local=local)


def server(settings: Settings, platform: Platform, base_url: str | None) -> str:
    """Return the server of an account for which a person named this one, or none."""
    return settings.base_url if platform.local else base_url or platform.default_base_url


def browser_login(platform: Platform) -> OAuth:
    """Return how accounts are connected in a browser.

    Raises:
        InvalidInput: they are not, here.
    """
    if platform.oauth is None:
        text = f"{platform.title} has no login in a browser: give the account's credentials"
        raise InvalidInput([Problem("platform", text)])
    if not platform.oauth.configured:
        text = (
            f"This installation has no app at {platform.title}: register one there and add it to "
            f'ALMANAC_APPS, as {{"{platform.name}": {{"client_id": …, "client_secret": …}}}}'
        )
        raise InvalidInput([Problem("platform", text)])
    return platform.oauth


def refuse_unreachable(settings: Settings, platform: Platform) -> None:
    """Refuse a platform that fetches media while it could not fetch them here.

    Raises:
        InvalidInput: says which setting to change.
    """
    if platform.fetches_media and (why := _unreachable(settings)):
        text = (
            f"{platform.title} fetches images and videos from this installation, and "
            f"{settings.base_url} {why}: set ALMANAC_PUBLIC_URL to the https address under which "
            "the internet reaches it"
        )
        raise InvalidInput([Problem("platform", text, "unreachable")])


def _unreachable(settings: Settings) -> str | None:
    """Say why nothing outside can read from the public URL, as far as the URL tells."""
    parts = urlsplit(settings.base_url)
    host = (parts.hostname or "").rstrip(".")
    allowed = AllowedPrivateHosts(settings.allowed_private_hosts)
    try:
        address = ip_address(host)
    except ValueError:
        # A name that is allowed is one of a test, or of a platform inside the same network.
        if allowed.cover(host, parts.port or 0, ip_address("0.0.0.0")):  # noqa: S104 - no one's
            return None
        inside = "." not in host or host.endswith(INSIDE)
        reason = "is a name of this network only" if inside else None
    else:
        if allowed.cover(host, parts.port or 0, address):
            return None
        found = refusal(address)
        reason = f"is {found}" if found else None
    return reason or (None if parts.scheme == "https" else "is not https")


@contextmanager
def refusals(field: str) -> Iterator[None]:
    """Turn what a platform refuses into problems of a request.

    Args:
        field: what the platform judged.

    Raises:
        InvalidInput: with the platform's words; an address that may not be called is `base_url`'s.
    """
    try:
        yield
    except OutboundRefused as error:
        raise InvalidInput([Problem("base_url", error.message)]) from error
    except PlatformError as error:
        raise InvalidInput([Problem(field, error.message)]) from error
