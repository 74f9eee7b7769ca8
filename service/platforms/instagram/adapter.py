"""Instagram, for professional accounts, over the API with Instagram Login.

Instagram fetches media into containers, which expire after 24 hours; a container is published once,
and its status tells for certain whether it was. So a lost answer is never a doubled post.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.errors import Problem
from service.kit.clock import now
from service.platforms import tokens
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
    Unknown,
    Wait,
)
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.instagram import containers as instagram_containers
from service.platforms.instagram import content as instagram_content
from service.platforms.instagram import search as instagram_search
from service.platforms.instagram.api import HOST, Api, published
from service.platforms.instagram.models import NAME
from service.platforms.instagram.oauth import InstagramOAuth
from service.platforms.limits import Limits, Replies
from service.platforms.meta.graph import Graph, Missing
from service.platforms.setup import Setup
from service.platforms.validation import check_credentials

IMAGE_POLL, VIDEO_POLL = 5.0, 20.0
"""Seconds between two looks at a container. Meta recommends a minute; images are mostly ready at
once, and a post shall be on time."""
WEBSITE = "https://www.instagram.com"
LINK_DEADLINE = 5.0
"""Seconds for reading the link of a post that is out."""
STORY_METRICS = {"views": "views", "shares": "shares"}
POST_METRICS = {**STORY_METRICS, "likes": "likes", "comments": "comments", "saved": "saves"}
"""The contract's names by Instagram's."""


class Instagram(Adapter):
    """Publishes to one professional account.

    Handles: `container:<media id>` is a carousel's item and `finished:<media id>` marks it ready;
    `container` is what is published, `published` says that it was, `media` is the post.
    """

    name = "instagram"
    title = NAME
    limits = instagram_content.LIMITS
    option_fields = instagram_content.OPTIONS
    replies = Replies.COMMENTS
    fetches_media = True
    measures = True
    commit_deadline = timedelta(seconds=30)
    visibility_lag = timedelta(seconds=30)
    absence_is_proof = True
    refresh_before = timedelta(days=10)
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "A long-lived token of the API with Instagram Login, with the permissions "
            "instagram_business_basic and instagram_business_content_publish."
        ),
    }

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._login = InstagramOAuth(setup, self._profile)
        self.oauth = self._login

    def text_of(self, content: Content) -> str:
        """Return the caption; a story shows none."""
        story = content.kind == "post" and instagram_content.kind_of(content) == "story"
        return "" if story else content.full_text

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content, by the limits of what it becomes."""
        found = super().validate(content, instagram_content.limits_for(content, limits))
        return [*found, *instagram_content.problems_of(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read the account the token belongs to, and renew the token if it is old enough."""
        check_credentials(self.credential_fields, credentials)
        token = credentials["access_token"].strip()
        try:
            session = tokens.renewed({}, await self._login.renew(token))
        except AuthFailed:
            # A token younger than a day is not renewed, and nobody tells its age: it is used as it
            # is, and the caller tries again tomorrow.
            end = now() + self.refresh_before + timedelta(days=1)
            session = {"access_token": token, "expires_at": end.isoformat()}
        return await self._profile(session)

    async def _profile(self, session: Handles) -> Profile:
        account = await self._api(tokens.access_token(session, {})).account()
        return Profile(
            handle=account.username,
            display_name=account.name or account.username,
            base_url=WEBSITE,
            limits=self.limits,
            session={**session, "user_id": account.user_id},
        )

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the token, which must be a day old and not yet expired, for a new one."""
        session = destination.session
        token = tokens.access_token(session, destination.credentials)
        return tokens.renewed(session, await self._login.renew(token))

    async def prepare(self, publication: Publication) -> None:
        """Let Instagram fetch the media; each container's id is stored before the next call."""
        if publication.content.kind == "comment" or "container" in publication.handles:
            return
        api, user_id = self._account(publication.destination)
        await instagram_containers.require_quota(api, user_id)
        await instagram_containers.make(api, user_id, publication)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask whether Instagram has fetched and converted all media."""
        handles = publication.handles
        if publication.content.kind == "comment" or "published" in handles:
            return None
        if "container" not in handles:
            return _processing(publication)
        api, _ = self._account(publication.destination)
        status = await instagram_containers.status(api, publication, str(handles["container"]))
        if status == "PUBLISHED":
            handles["published"] = True
            await publication.save(dict(handles))
        return _processing(publication) if status == "IN_PROGRESS" else None

    async def commit(self, publication: Publication) -> Published:
        """Publish the container, or write the comment."""
        handles, content = publication.handles, publication.content
        api, user_id = self._account(publication.destination)
        deadline = self.commit_deadline.total_seconds() - LINK_DEADLINE
        if content.kind == "comment":
            comment = await api.comment(
                _post_of(publication).remote_id, content.full_text, deadline
            )
            return published(comment, None, "comment")
        if "published" in handles:
            return await self._published(api, user_id, publication)
        media_id, until = await api.publish(user_id, str(handles["container"]), deadline)
        handles["media"] = media_id
        await publication.save(dict(handles))
        return await self._seen(api, media_id, publication, until)

    async def _seen(
        self, api: Api, media_id: str, publication: Publication, until: datetime | None = None
    ) -> Published:
        url = await api.permalink(media_id, LINK_DEADLINE)
        return published(media_id, url, instagram_content.kind_of(publication.content), until)

    async def _published(self, api: Api, user_id: str, publication: Publication) -> Published:
        """Return the post of a container that is known to be published."""
        handles = publication.handles
        if "media" in handles:
            return await self._seen(api, str(handles["media"]), publication)
        found = await instagram_search.find_post(api, user_id, publication)
        if isinstance(found, Published):
            return found
        # It is out for certain; only which of the posts it is cannot be told.
        return Published(str(handles["container"]), None, details={"kind": "unknown"})

    async def reconcile(self, publication: Publication) -> Found:
        """Ask the container, which knows; of a comment, read the comments."""
        if publication.committed_since is None:
            return Absent()
        api, user_id = self._account(publication.destination)
        if publication.content.kind == "comment":
            return await instagram_search.find_comment(api, _post_of(publication), publication)
        if "media" in publication.handles:
            return await self._published(api, user_id, publication)
        if "container" not in publication.handles:
            return Absent()
        try:
            container = await api.container(str(publication.handles["container"]))
        except Missing as error:
            found = await instagram_search.find_post(api, user_id, publication)
            return found if isinstance(found, Published) else Unknown(error.message)
        match container.status_code:
            case "PUBLISHED":
                return await self._published(api, user_id, publication)
            case "IN_PROGRESS":
                return _processing(publication)
        return Absent()

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Read the insights of a post; of a story Instagram counts less."""
        kind = post.details.get("kind")
        if kind in ("comment", "unknown"):
            return {}
        names = STORY_METRICS if kind == "story" else POST_METRICS
        api, _ = self._account(destination)
        found = await api.insights(post.remote_id, ",".join(names))
        return {names[name]: value for name, value in found.items() if name in names}

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Read the account's own figures."""
        api, _ = self._account(destination)
        account = await api.account()
        figures = {
            "followers": account.followers_count,
            "following": account.follows_count,
            "posts": account.media_count,
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _account(self, destination: Destination) -> tuple[Api, str]:
        token = tokens.access_token(destination.session, destination.credentials)
        user_id = destination.session.get("user_id")
        if not isinstance(user_id, str):
            raise AuthFailed(f"{NAME}: the account's id is not known: connect the account again")
        return self._api(token), user_id

    def _api(self, token: str) -> Api:
        return Api(Graph(self._setup.outbound, token), self._setup.root(self.name, HOST))


def _processing(publication: Publication) -> Wait:
    moves = any(file.is_video for file in publication.content.media)
    return Wait(VIDEO_POLL if moves else IMAGE_POLL, f"{NAME} is still processing the media")


def _post_of(publication: Publication) -> Reference:
    """Return what a comment stands below."""
    post = publication.root or publication.reply_to
    if post is None:
        raise Rejected(f"{NAME}, commenting: there is no post to comment on")
    return post
