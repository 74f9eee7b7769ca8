"""Threads: containers that are made, waited for, and published by their id.

A container tells for a day whether it was published, so that no post is ever sent twice.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import Problem
from service.kit.clock import now
from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    Content,
    CredentialField,
    Destination,
    Found,
    Handles,
    Profile,
    Publication,
    Published,
    Reference,
    Refused,
    Unknown,
    Wait,
)
from service.platforms.failures import Ambiguous, PlatformError, Rejected
from service.platforms.limits import Limits, Replies
from service.platforms.meta.graph import ContainerGone, Missing
from service.platforms.setup import Setup
from service.platforms.threads import containers as threads_containers
from service.platforms.threads import content as threads_content
from service.platforms.threads import search as threads_search
from service.platforms.threads.api import HOST, NAME, Api
from service.platforms.threads.containers import remember
from service.platforms.threads.oauth import REFRESH_BEFORE, WEBSITE, Login
from service.platforms.tokens import TokenAnswer, access_token
from service.platforms.validation import check_credentials

POLL = 5.0
VIDEO_POLL = 20.0
"""Seconds between two looks at a container; Meta recommends one a minute, for large videos."""
PUBLISHING = 20.0
"""Seconds for the call itself; the rest of the deadline is for reading the address."""


class Threads(Adapter):
    """Publishes to one Threads account.

    Handles: `item:<id>` is the container of one of several media, `ready:<id>` marks it fetched,
    `container` is what is published, `ready_at` since when it can be, `publishing` stands before
    the commit; `post_id` after it, or `out_at` where the id was lost.
    """

    name = "threads"
    title = NAME
    limits = threads_content.LIMITS
    default_base_url = WEBSITE
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "A long-lived access token with threads_basic and threads_content_publish."
        ),
    }
    option_fields = threads_content.OPTIONS
    replies = Replies.THREADS
    fetches_media = True
    deletes = True
    measures = True
    commit_deadline = timedelta(seconds=30)
    visibility_lag = timedelta(seconds=30)
    absence_is_proof = True
    refresh_before = REFRESH_BEFORE
    settling = timedelta(seconds=2)
    """How long a finished container needs before Threads finds it: seen, not documented."""

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._root = setup.root(self.name, HOST)
        self._login = Login(setup, self.limits)
        self.oauth = self._login

    def text_of(self, content: Content) -> str:
        """Return the text; a link is a card of its own where there are no media."""
        return threads_content.shown_text(content)

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content."""
        return [*super().validate(content, limits), *threads_content.own_problems(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read whose token it is and, if Threads says so, what it may do."""
        check_credentials(self.credential_fields, credentials)
        return await self._login.profile(TokenAnswer(credentials["access_token"].strip()))

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the token for one of another 60 days."""
        return await self._login.renew(destination.session, destination.credentials)

    async def prepare(self, publication: Publication) -> None:
        """Let Threads take the text and fetch the media; of several, one after the other."""
        if "container" in publication.handles:
            return
        api, user_id = await self._account(publication.destination)
        if not publication.handles:
            replies = publication.reply_to is not None
            await threads_containers.require_quota(api, user_id, replies=replies)
        await threads_containers.make(api, user_id, publication)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for the container until it is ready, and a moment longer."""
        handles = publication.handles
        if "post_id" in handles or "out_at" in handles:
            return None
        if "container" not in handles:
            return Wait(self._pause(publication), f"{NAME} is fetching the media")
        if "ready_at" not in handles:
            api = self._api(publication.destination)
            status = await threads_containers.status(api, publication, str(handles["container"]))
            if status == "PUBLISHED":
                await remember(publication, out_at=now().isoformat())
                return None
            if status == "IN_PROGRESS":
                return Wait(self._pause(publication), f"{NAME} is processing the post")
            await remember(publication, ready_at=now().isoformat())
        if not threads_containers.is_older(handles["ready_at"], self.settling):
            return Wait(self.settling.total_seconds(), f"{NAME} is getting ready")
        return None

    async def commit(self, publication: Publication) -> Published | Wait:
        """Publish the container."""
        handles = publication.handles
        api, user_id = await self._account(publication.destination)
        if "post_id" in handles:
            return await self._published(api, str(handles["post_id"]))
        if "out_at" in handles:
            return await threads_search.find(api, user_id, publication)
        repeated = "publishing" in handles
        await remember(publication, publishing=True)
        try:
            post_id = await api.publish(user_id, str(handles["container"]), PUBLISHING)
        except Ambiguous:
            raise
        except PlatformError as error:
            gone = isinstance(error, ContainerGone | Missing)
            if repeated and gone:
                # An earlier call may have used it up after all.
                raise Ambiguous(f"{error.message}; the post may be there") from error
            if gone:
                await threads_containers.forget(publication)
                raise ContainerGone(f"{error.message}; it will be prepared anew") from error
            if not repeated:
                del handles["publishing"]
                await publication.save(dict(handles))
            raise
        await remember(publication, post_id=post_id)
        return await self._published(api, post_id)

    async def _published(self, api: Api, post_id: str) -> Published:
        try:
            return Published(post_id, await api.permalink(post_id))
        except PlatformError:  # it is out, with its address or without
            return Published(post_id, None)

    async def reconcile(self, publication: Publication) -> Found:
        """Ask the container whether it was published."""
        handles = publication.handles
        api, user_id = await self._account(publication.destination)
        if "post_id" in handles:
            return await self._published(api, str(handles["post_id"]))
        if "publishing" not in handles:
            return Absent()
        try:
            container = await api.container(str(handles["container"]))
        except (ContainerGone, Missing):
            return Unknown("it does not know the prepared post any more; look at the profile")
        if container.status == "PUBLISHED":
            return await threads_search.find(api, user_id, publication)
        failed = threads_containers.failure(container)
        if failed is not None:
            await threads_containers.forget(publication)
        return Refused(failed.message) if isinstance(failed, Rejected) else Absent()

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post."""
        await self._api(destination).delete(post.remote_id)

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Return views, likes, replies, and how often it was passed on in any way."""
        if post.details.get("unlisted"):
            return {}
        asked = "views,likes,replies,reposts,quotes,shares"
        found = await self._api(destination).insights(f"{post.remote_id}/insights", asked)
        names = {"views": "views", "likes": "likes", "comments": "replies"}
        told = {ours: found[theirs] for ours, theirs in names.items() if theirs in found}
        passed_on = [found[name] for name in ("reposts", "quotes", "shares") if name in found]
        return {**told, "shares": sum(passed_on)} if passed_on else told

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Return the followers."""
        api, user_id = await self._account(destination)
        found = await api.insights(f"{user_id}/threads_insights", "followers_count")
        return {"followers": found["followers_count"]} if "followers_count" in found else {}

    async def _account(self, destination: Destination) -> tuple[Api, str]:
        api, user_id = self._api(destination), destination.session.get("user_id")
        return api, user_id if isinstance(user_id, str) else (await api.account()).id

    def _api(self, destination: Destination) -> Api:
        token = access_token(destination.session, destination.credentials)
        return Api(self._outbound, self._root, token)

    def _pause(self, publication: Publication) -> float:
        moves = any(file.is_video for file in publication.content.media)
        return VIDEO_POLL if moves else POLL
