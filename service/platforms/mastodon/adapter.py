"""Mastodon, and servers that speak its client API.

The commit carries the delivery's id as `Idempotency-Key`, which the server remembers for an hour:
until then a repeat returns the first post. Afterwards the account's own posts are looked through.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import InvalidInput, Problem
from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    Content,
    CredentialField,
    Destination,
    Handles,
    MediaFile,
    OAuth,
    Profile,
    Publication,
    Published,
    Reference,
    Unknown,
    Wait,
)
from service.platforms.failures import Rejected, Transient
from service.platforms.limits import Limits, Replies
from service.platforms.mastodon import options as mastodon_options
from service.platforms.mastodon import search as mastodon_search
from service.platforms.mastodon.api import NAME, Api, Status
from service.platforms.mastodon.instance import Instance
from service.platforms.mastodon.oauth import MastodonOAuth, profile_of
from service.platforms.setup import Setup
from service.platforms.tokens import access_token, refresh_token
from service.platforms.validation import check_credentials, problems, server_root

DEFAULT_VISIBILITIES = ("public", "unlisted", "private")
"""What an account may be set to; a private mention is chosen for one post only."""
PROCESSING_WAIT = 2.0


class Mastodon(Adapter):
    """Publishes to one account of any Mastodon server.

    Handles: `media:<id>` is the server's id of an image or a video, `processing:<id>` marks one
    that is not ready.
    """

    name = "mastodon"
    title = NAME
    has_servers = True
    limits = Instance("").limits
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
    option_fields = mastodon_options.FIELDS
    replies = Replies.THREADS
    deletes = True
    measures = True
    visibility_lag = timedelta(seconds=30)
    repeat_window = timedelta(minutes=50)

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._login = MastodonOAuth(setup.outbound)
        self.oauth: OAuth | None = self._login

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content; a content warning counts as text."""
        counted = mastodon_options.counted_text(content)
        found = problems(content, counted, limits, options=self.option_fields, replies=self.replies)
        return [*found, *mastodon_options.option_problems(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read the account the token belongs to and its server's limits."""
        check_credentials(self.credential_fields, credentials)
        visibility = credentials.get("visibility") or None
        if visibility not in (None, *DEFAULT_VISIBILITIES):
            text = f"'{visibility}' is not one of {', '.join(DEFAULT_VISIBILITIES)}."
            raise InvalidInput([Problem("credentials.visibility", text)])
        server = server_root(base_url)
        api = Api(self._outbound, server, access_token({}, credentials))
        return await profile_of(api, {"visibility": visibility})

    async def refresh(self, destination: Destination) -> Handles:
        """Renew a token where the server gave a refresh token with it; Mastodon itself does not."""
        token = refresh_token(destination.session, destination.credentials)
        if token is None:
            return await super().refresh(destination)
        server, credentials = destination.base_url, destination.credentials
        return await self._login.refresh(server, destination.session, token, credentials)

    async def prepare(self, publication: Publication) -> None:
        """Upload each file once; its id is stored before the next upload begins."""
        api, handles = self._api(publication.destination), publication.handles
        for index, file in enumerate(publication.content.media):
            if f"media:{file.id}" in handles:
                continue
            focus = mastodon_options.focus_of(publication.content, index)
            media, ready = await api.upload(file, focus)
            handles[f"media:{file.id}"] = media.id
            if not ready:
                handles[f"processing:{file.id}"] = True
            await publication.save(dict(handles))

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for the files that the server was still processing."""
        for file in publication.content.media:
            if f"processing:{file.id}" not in publication.handles:
                continue
            if not await self._is_ready(publication, file):
                return Wait(PROCESSING_WAIT, f"{NAME} is still processing {_kind(file)}")
        return None

    async def _is_ready(self, publication: Publication, file: MediaFile) -> bool:
        ready = await self._api(publication.destination).is_ready(_media_id(publication, file))
        if ready is None:
            await self._upload_again(publication, file)
        elif ready:
            del publication.handles[f"processing:{file.id}"]
            await publication.save(dict(publication.handles))
        return bool(ready)

    async def _upload_again(self, publication: Publication, file: MediaFile) -> None:
        publication.handles.pop(f"processing:{file.id}", None)
        del publication.handles[f"media:{file.id}"]
        await publication.save(dict(publication.handles))
        raise Transient(
            f"{NAME} no longer has {_kind(file)} ({file.id}): it will be uploaded again"
        )

    async def commit(self, publication: Publication) -> Published:
        """Post the status."""
        destination, content = publication.destination, publication.content
        body = mastodon_options.body_of(
            content, default_visibility=destination.session.get("visibility")
        )
        if content.media:
            body["media_ids"] = [_media_id(publication, file) for file in content.media]
        if publication.reply_to is not None:
            body["in_reply_to_id"] = publication.reply_to.remote_id
        key, deadline = str(publication.delivery_id), self.commit_deadline
        try:
            status, pause_until = await self._api(destination).post(body, key, deadline)
        except Rejected:
            await self._look_for_media(publication)
            raise
        return Published(status.id, status.url, pause_until=pause_until)

    async def _look_for_media(self, publication: Publication) -> None:
        """After a refusal, upload again what the server has dropped: it keeps a file for a day.

        The refusal itself says so only in the words of the server's language.
        """
        api = self._api(publication.destination)
        for file in publication.content.media:
            if await api.is_ready(_media_id(publication, file)) is None:
                await self._upload_again(publication, file)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Look for the post among the account's own since the first commit began."""
        if publication.committed_since is None:
            return Absent()
        api = self._api(publication.destination)
        account_id = publication.destination.session.get("account_id")
        if not isinstance(account_id, str):
            account_id = (await api.account()).id
        return await mastodon_search.find(api, account_id, publication)

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post."""
        await self._api(destination).delete(post.remote_id)

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Read how often a post was favourited, boosted and answered."""
        status = await self._api(destination).status(post.remote_id)
        return _numbers(status)

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Read how many follow the account, and whom it follows."""
        account = await self._api(destination).account()
        found = {
            "followers": account.followers_count,
            "following": account.following_count,
            "posts": account.statuses_count,
        }
        return {name: count for name, count in found.items() if count is not None}

    def _api(self, destination: Destination) -> Api:
        session, credentials = destination.session, destination.credentials
        return Api(
            self._outbound,
            destination.base_url,
            access_token(session, credentials),
            renewable=refresh_token(session, credentials) is not None,
        )


def _media_id(publication: Publication, file: MediaFile) -> str:
    return str(publication.handles[f"media:{file.id}"])


def _kind(file: MediaFile) -> str:
    return "a video" if file.is_video else "an image"


def _numbers(status: Status) -> dict[str, int]:
    found = {
        "likes": status.favourites_count,
        "shares": status.reblogs_count,
        "comments": status.replies_count,
    }
    return {name: count for name, count in found.items() if count is not None}
