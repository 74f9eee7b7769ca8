"""The built-in feed, and accounts that only look like another network's.

The published delivery row is the entry of the feed that Almanac serves: there is nothing to send,
and a commit cannot be doubled.
"""

import re
from collections.abc import Mapping

from service.errors import InvalidInput, Problem
from service.platforms.base import Adapter
from service.platforms.contract import (
    FOREVER,
    Absent,
    CredentialField,
    Destination,
    Profile,
    Publication,
    Published,
    Reference,
    Unknown,
)
from service.platforms.limits import Limits
from service.platforms.validation import check_credentials

HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


class Feed(Adapter):
    """Publishes to the page and the feeds of one handle on this installation.

    Args:
        name, title, limits: of the network it stands for.
        live: False for a sandbox.
    """

    local = True
    deletes = True
    credential_fields: Mapping[str, CredentialField] = {
        "handle": CredentialField(
            "The account's name in its address: small letters, digits, - and _.", secret=False
        ),
        "display_name": CredentialField(
            "The name people see; by default the handle.", required=False, secret=False
        ),
    }
    repeat_window = FOREVER

    def __init__(self, name: str, title: str, limits: Limits, *, live: bool) -> None:
        self.name = name
        self.title = title
        self.limits = limits
        self.live = live

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Check the wanted handle; `base_url` is Almanac's own public URL."""
        check_credentials(self.credential_fields, credentials)
        handle = credentials["handle"].strip().removeprefix("@")
        if not HANDLE.fullmatch(handle):
            text = (
                f"'{handle}' is no handle: use 1 to 64 small letters, digits, - and _, "
                "with a letter or digit at both ends."
            )
            raise InvalidInput([Problem("credentials.handle", text)])
        name = credentials.get("display_name", "").strip()
        return Profile(handle, name or handle, base_url.rstrip("/"), self.limits)

    async def commit(self, publication: Publication) -> Published:
        """Name the entry that the delivery becomes."""
        destination, entry = publication.destination, str(publication.delivery_id)
        return Published(entry, f"{destination.base_url}/feeds/{destination.handle}#{entry}")

    async def reconcile(
        self,
        publication: Publication,
    ) -> Published | Absent | Unknown:
        """Say that it is not published: what is published here is never uncertain."""
        return Absent()

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Do nothing: an entry that is taken back is shown no more."""


def feed() -> Feed:
    """Return the platform that every installation has."""
    limits = Limits(text_units=100_000, unit="characters", images=20, image_bytes=20_000_000)
    return Feed("feed", "Feed", limits, live=True)
