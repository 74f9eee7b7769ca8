"""Mastodon, and servers that speak its client API.

The commit carries the delivery's id as `Idempotency-Key`, which the server remembers for an hour:
until then a repeat returns the first post. Afterwards the account's own posts are looked through.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import InvalidInput, Problem
from service.kit.outbound import Outbound
from service.platforms import mastodon_search
from service.platforms.contract import (
    Absent,
    Content,
    CredentialField,
    Destination,
    Limits,
    MediaFile,
    Profile,
    Publication,
    Published,
    Transient,
    Unknown,
    Wait,
)
from service.platforms.mastodon_api import NAME, Api, Instance
from service.platforms.validation import check_credentials, problems, server_root

VISIBILITIES = ("public", "unlisted", "private")
PROCESSING_WAIT = 2.0


class Mastodon:
    """Publishes to one account of any Mastodon server.

    Handles: `media:<id>` is the server's id of an image, `processing:<id>` marks one not ready.
    """

    name = "mastodon"
    title = NAME
    limits = Instance("").limits
    live = True
    local = False
    default_base_url = ""
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "An access token with the scopes read and write, made in Preferences > Development."
        ),
        "visibility": CredentialField(
            "public, unlisted or private; by default what the account is set to.",
            required=False,
            secret=False,
        ),
    }
    commit_deadline = timedelta(seconds=10)
    visibility_lag = timedelta(seconds=30)
    repeat_window = timedelta(minutes=50)

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def text_of(self, content: Content) -> str:
        """Return the text with the link below it."""
        return content.full_text

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content; the link is part of the text."""
        return problems(content, self.text_of(content), limits)

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read the account the token belongs to and its server's limits."""
        check_credentials(self.credential_fields, credentials)
        visibility = credentials.get("visibility") or None
        if visibility not in (None, *VISIBILITIES):
            text = f"'{visibility}' is not one of {', '.join(VISIBILITIES)}."
            raise InvalidInput([Problem("credentials.visibility", text)])
        server = server_root(base_url)
        api = Api(self._outbound, server, credentials["access_token"].strip())
        account, instance = await api.account(), await api.instance()
        return Profile(
            handle=f"{account.username}@{instance.domain}",
            display_name=account.display_name or account.username,
            base_url=server,
            limits=instance.limits,
            session={"account_id": account.id, "visibility": visibility},
        )

    async def prepare(self, publication: Publication) -> None:
        """Upload each image once; its id is stored before the next upload begins."""
        api, handles = self._api(publication.destination), publication.handles
        for file in publication.content.media:
            if f"media:{file.id}" in handles:
                continue
            media, ready = await api.upload(file)
            handles[f"media:{file.id}"] = media.id
            if not ready:
                handles[f"processing:{file.id}"] = True
            await publication.save(dict(handles))

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for the images that the server was still processing."""
        for file in publication.content.media:
            if f"processing:{file.id}" not in publication.handles:
                continue
            if not await self._is_ready(publication, file):
                return Wait(PROCESSING_WAIT, f"{NAME} is still processing an image")
        return None

    async def _is_ready(self, publication: Publication, file: MediaFile) -> bool:
        handles = publication.handles
        ready = await self._api(publication.destination).is_ready(str(handles[f"media:{file.id}"]))
        if ready is False:
            return False
        del handles[f"processing:{file.id}"]
        if ready is None:
            del handles[f"media:{file.id}"]
        await publication.save(dict(handles))
        if ready is None:
            raise Transient(f"{NAME} no longer has image {file.id}; it will be uploaded again")
        return True

    async def commit(self, publication: Publication) -> Published:
        """Post the status."""
        destination, content = publication.destination, publication.content
        body = {
            "status": content.full_text,
            "media_ids": [publication.handles[f"media:{file.id}"] for file in content.media],
            "visibility": destination.session.get("visibility"),
        }
        given = {name: value for name, value in body.items() if value}
        key = str(publication.delivery_id)
        status = await self._api(destination).post(given, key, self.commit_deadline)
        return Published(status.id, status.url)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Look for the post among the account's own since the first commit began."""
        if publication.committed_since is None:
            return Absent()
        api = self._api(publication.destination)
        account_id = publication.destination.session.get("account_id")
        if not isinstance(account_id, str):
            account_id = (await api.account()).id
        return await mastodon_search.find(api, account_id, publication)

    def _api(self, destination: Destination) -> Api:
        token = destination.credentials["access_token"].strip()
        return Api(self._outbound, destination.base_url, token)
