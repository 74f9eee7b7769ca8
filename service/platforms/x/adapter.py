"""X (Twitter), by its API v2.

A commit cannot be made recognisable, so an uncertain one is looked for in the account's own posts;
that is proof, as they show a post at once. X also refuses a text that it has already.

X charges for calls (console.x.com, 2026): a post 0.015 USD, one with a link in its text 0.20 USD,
a removal 0.010 USD, each own post that is looked at 0.001 USD.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.errors import Problem
from service.kit.clock import now
from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    Content,
    CredentialField,
    Destination,
    Handles,
    Profile,
    Publication,
    Published,
    Reference,
    Unknown,
    Wait,
)
from service.platforms.failures import AuthFailed, TokenExpired
from service.platforms.limits import Limits, Replies
from service.platforms.setup import Setup
from service.platforms.tokens import access_token, refresh_token
from service.platforms.validation import check_credentials
from service.platforms.x import handles as x_handles
from service.platforms.x import limits as x_limits
from service.platforms.x import post as x_post
from service.platforms.x import uploads as x_uploads
from service.platforms.x.api import HOST, NAME, Api
from service.platforms.x.errors import DuplicateContent, MediaGone
from service.platforms.x.media_api import MediaApi
from service.platforms.x.oauth import PLATFORM, XOAuth
from service.platforms.x.search import CLOCK_SKEW, find, post_url

DUPLICATE_SKEW = timedelta(seconds=5)
"""How far X's clock may be behind when the post that a text doubles is looked for: an older one of
the same text must not pass for ours. X gives whole seconds."""

METRICS = {
    "impression_count": "views",
    "like_count": "likes",
    "reply_count": "comments",
    "retweet_count": "shares",
    "quote_count": "shares",
    "bookmark_count": "saves",
    "url_link_clicks": "clicks",
}
AUDIENCE = {"followers_count": "followers", "following_count": "following", "tweet_count": "posts"}


class X(Adapter):
    """Publishes to accounts of X.

    Handles: `media:<id>` is how far the upload of a file has come, see x_handles. The session has
    `user_id` beside the tokens.
    """

    name = PLATFORM
    title = NAME
    limits = x_limits.LIMITS
    default_base_url = x_limits.SITE
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "An OAuth 2.0 user token with the scopes tweet.read, tweet.write, users.read and "
            "media.write."
        ),
        "refresh_token": CredentialField(
            "Its refresh token (scope offline.access); without one the account ends after two "
            "hours.",
            required=False,
        ),
    }
    option_fields = x_limits.OPTIONS
    replies = Replies.THREADS
    deletes = True
    measures = True
    visibility_lag = timedelta(seconds=60)
    absence_is_proof = True
    retries = 2
    retry_base = timedelta(seconds=45)

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._root = setup.root(PLATFORM, HOST)
        self._logins = XOAuth(setup)
        self.oauth = self._logins

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Add what figures cannot say: GIFs stand alone and may be larger, one cashtag."""
        found = super().validate(content, limits)
        return [*x_post.with_size_of_gifs(found, content), *x_post.problems(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read whose token it is; `base_url` has no meaning here."""
        check_credentials(self.credential_fields, credentials)
        api = Api(self._outbound, self._root, credentials["access_token"].strip(), AuthFailed)
        return x_limits.profile_of(await api.me(), {})

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the refresh token for new ones."""
        token = refresh_token(destination.session, destination.credentials)
        if token is None:
            raise AuthFailed(f"{NAME}: the login has ended: connect the account again")
        return await self._logins.refresh(destination.session, token)

    async def prepare(self, publication: Publication) -> None:
        """Upload and describe each file once."""
        media = MediaApi(self._api(publication.destination))
        for file in publication.content.media:
            await x_uploads.bring(media, publication, file)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for videos and GIFs that X works on."""
        media = MediaApi(self._api(publication.destination))
        for file in publication.content.media:
            if wait := await x_uploads.wait_for(media, publication, file):
                return wait
        return None

    async def commit(self, publication: Publication) -> Published:
        """Post; a text that X has already may be what an earlier, uncertain commit left there."""
        destination, body = publication.destination, x_post.body(publication)
        try:
            post_id, pause = await self._api(destination).post(body, self.commit_deadline)
        except MediaGone:
            await x_handles.forget(publication, *publication.content.media)
            raise
        except DuplicateContent:
            since = (publication.committed_since or now()) - DUPLICATE_SKEW
            found = await self._find(publication, since)
            if not isinstance(found, Published):
                raise
            return found
        return Published(post_id, post_url(destination.handle, post_id), pause_until=pause)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Look for the post among the account's own since the first commit began."""
        if publication.committed_since is None:
            return Absent()
        found = await self._find(publication, publication.committed_since - CLOCK_SKEW)
        if isinstance(found, Absent) and publication.content.options.get("community_id"):
            return Unknown("X does not list posts in communities with the account's own")
        return found

    async def _find(
        self, publication: Publication, since: datetime
    ) -> Published | Absent | Unknown:
        api, user_id = self._api(publication.destination), _user_id(publication.destination)
        return await find(api, user_id or (await api.me()).id, publication, since)

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post; one that is gone already is no error."""
        await self._api(destination).delete(post.remote_id)

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Read how a post is received; clicks only for 30 days."""
        return _named(await self._api(destination).metrics(post.remote_id), METRICS)

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Read followers, following and posts."""
        metrics = (await self._api(destination).me()).public_metrics
        given = {name: getattr(metrics, name) for name in AUDIENCE}
        return _named(
            {name: figure for name, figure in given.items() if figure is not None}, AUDIENCE
        )

    def _api(self, destination: Destination) -> Api:
        token = access_token(destination.session, destination.credentials)
        return Api(self._outbound, self._root, token, TokenExpired)


def _user_id(destination: Destination) -> str | None:
    value = destination.session.get("user_id")
    return value if isinstance(value, str) else None


def _named(given: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    """Return X's figures under ours; what has one name is added up."""
    found: dict[str, int] = {}
    for theirs, ours in names.items():
        if theirs in given:
            found[ours] = found.get(ours, 0) + given[theirs]
    return found
