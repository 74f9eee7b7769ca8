"""Facebook Pages, over the Graph API.

Photos and videos are uploaded unseen; one call publishes the post. No repeat of a post is
recognised, so an uncertain one is looked for among those that the Page has published. A video has
its id from the start, which tells for certain.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import Problem
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
    Wait,
)
from service.platforms.facebook import content as facebook_content
from service.platforms.facebook import search as facebook_search
from service.platforms.facebook import videos as facebook_videos
from service.platforms.facebook.api import Api, Roots
from service.platforms.facebook.models import NAME
from service.platforms.facebook.oauth import FacebookOAuth
from service.platforms.facebook.video_api import VideoApi
from service.platforms.failures import Ambiguous, AuthFailed, Rejected
from service.platforms.limits import Limits, Replies
from service.platforms.meta.graph import ContainerGone, Duplicate, Missing
from service.platforms.setup import Setup
from service.platforms.validation import check_credentials

LINK_DEADLINE = 5.0
"""Seconds for reading the link of a post that is out."""
METRICS = {"post_media_view": "views", "post_clicks": "clicks"}


class Facebook(Adapter):
    """Publishes to one Page, with the Page's own token.

    Handles: `photo:<media id>` is an unpublished photo; of a video `video`, `session`, `start` and
    `end` (the chunk that is wanted), `uploaded` and `finished`; `looked` says that an earlier
    commit's post was looked for in vain.
    """

    name = "facebook"
    title = NAME
    limits = facebook_content.LIMITS
    option_fields = facebook_content.OPTIONS
    replies = Replies.COMMENTS
    deletes = True
    measures = True
    commit_deadline = timedelta(seconds=30)
    visibility_lag = timedelta(seconds=60)
    absence_is_proof = True
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "The Page's token, with pages_manage_posts and pages_read_engagement."
        ),
        "refresh_token": CredentialField(
            "The long-lived token of a person who may use the Page; renews the Page's token.",
            required=False,
        ),
    }

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._roots = Roots.of(setup)
        self.oauth = FacebookOAuth(setup, self._profile)

    def text_of(self, content: Content) -> str:
        """Return the text; a link becomes a card of its own where there is no media."""
        return facebook_content.text_of(content)

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content, by the limits of what it becomes."""
        found = super().validate(content, facebook_content.limits_for(content, limits))
        return [*found, *facebook_content.problems_of(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read the Page the token belongs to; a person's token is refused."""
        check_credentials(self.credential_fields, credentials)
        given = {name: value.strip() for name, value in credentials.items() if value.strip()}
        return await self._profile(dict(given))

    async def _profile(self, session: Handles) -> Profile:
        try:
            page = await self._api(tokens.access_token(session, {})).page()
        except Rejected as error:
            text = f"{error.message}: this is no Page's token: choose the Page in the login again"
            raise AuthFailed(text) from error
        return Profile(
            # Names are not unique, and not every Page has a user name.
            handle=page.username or page.id,
            display_name=page.name,
            base_url=facebook_videos.WEBSITE,
            limits=self.limits,
            session={**session, "page_id": page.id},
        )

    async def refresh(self, destination: Destination) -> Handles:
        """Ask for the Page's token again, as the person who connected it."""
        session = destination.session
        person = tokens.refresh_token(session, destination.credentials)
        if person is None:
            raise AuthFailed(f"{NAME} refuses the Page's token: connect the Page again")
        try:
            token = await self._api(person).page_token(_page_id(destination))
        except (AuthFailed, Rejected) as error:
            raise AuthFailed(f"{error.message}; connect the Page again") from error
        return tokens.renewed(session, tokens.TokenAnswer(access_token=token))

    async def prepare(self, publication: Publication) -> None:
        """Upload photos or the video; nobody sees them yet."""
        if publication.content.kind == "comment" or not publication.content.media:
            return
        if _is_video(publication):
            await facebook_videos.upload(self._videos(publication), publication)
            return
        api, handles = self._of(publication), publication.handles
        for file in publication.content.media:
            if f"photo:{file.id}" not in handles:
                page_id = _page_id(publication.destination)
                handles[f"photo:{file.id}"] = await api.upload_photo(page_id, file)
                await publication.save(dict(handles))

    async def check(self, publication: Publication) -> Wait | None:
        """Ask whether a published video is still being processed."""
        if not _is_video(publication):
            return None
        return await facebook_videos.processing(self._videos(publication), publication)

    async def commit(self, publication: Publication) -> Published | Wait:
        """Publish the post or the video, or write the comment."""
        deadline = self.commit_deadline.total_seconds() - LINK_DEADLINE
        try:
            if publication.content.kind == "comment":
                return await self._comment(publication, deadline)
            if _is_video(publication):
                videos = self._videos(publication)
                return await facebook_videos.publish(videos, publication, deadline)
            return await self._post(publication, deadline)
        except (Duplicate, ContainerGone) as error:
            if "looked" not in publication.handles:
                raise
            # Of a repeat this means that the first one came through after all.
            raise Ambiguous(f"{error.message}; the post may be there") from error

    async def _post(self, publication: Publication, deadline: float) -> Published:
        api = self._of(publication)
        body = facebook_content.post_body(publication.content, publication.handles)
        post_id, until = await api.feed(_page_id(publication.destination), body, deadline)
        url = await api.permalink(post_id, LINK_DEADLINE)
        return Published(post_id, url, details={"kind": "post"}, pause_until=until)

    async def _comment(self, publication: Publication, deadline: float) -> Published:
        text = self.text_of(publication.content)
        below = _post_of(publication).remote_id
        comment_id = await self._of(publication).comment(below, text, deadline)
        return Published(comment_id, None, details={"kind": "comment"})

    async def reconcile(self, publication: Publication) -> Found:
        """Read the video's state, or look through the Page's posts or the post's comments."""
        if publication.committed_since is None:
            return Absent()
        found: Found
        if publication.content.kind == "comment":
            api, below = self._of(publication), _post_of(publication)
            found = await facebook_search.find_comment(api, below, publication)
        elif _is_video(publication):
            found = await facebook_videos.outcome(self._videos(publication), publication)
        else:
            page_id = _page_id(publication.destination)
            found = await facebook_search.find_post(self._of(publication), page_id, publication)
        if isinstance(found, Absent) and "looked" not in publication.handles:
            publication.handles["looked"] = True
            await publication.save(dict(publication.handles))
        return found

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post, a video or a comment."""
        try:
            await self._api(_token(destination)).delete(post.remote_id)
        except Missing:
            return

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Read reactions, comments and shares, and of posts what only some Pages are told."""
        kind, api = post.details.get("kind"), self._api(_token(destination))
        if kind == "comment":
            return {}
        figures = await api.reception(post.remote_id, video=kind in ("video", "reel"))
        if kind != "post":
            return figures
        insights = await api.insights(post.remote_id, ",".join(METRICS))
        told = {METRICS[name]: value for name, value in insights.items() if name in METRICS}
        return {**figures, **told}

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Read how many follow the Page."""
        page = await self._api(_token(destination)).page()
        return {} if page.followers_count is None else {"followers": page.followers_count}

    def _of(self, publication: Publication) -> Api:
        return self._api(_token(publication.destination))

    def _videos(self, publication: Publication) -> VideoApi:
        return VideoApi(self._of(publication), _page_id(publication.destination))

    def _api(self, token: str) -> Api:
        return Api(self._outbound, self._roots, token)


def _token(destination: Destination) -> str:
    return tokens.access_token(destination.session, destination.credentials)


def _page_id(destination: Destination) -> str:
    page_id = destination.session.get("page_id")
    if not isinstance(page_id, str):
        raise AuthFailed(f"{NAME}: the Page's id is not known: connect the Page again")
    return page_id


def _is_video(publication: Publication) -> bool:
    content = publication.content
    return content.kind == "post" and facebook_content.kind_of(content) != "post"


def _post_of(publication: Publication) -> Reference:
    """Return what a comment stands below."""
    post = publication.root or publication.reply_to
    if post is None:
        raise Rejected(f"{NAME}, commenting: there is no post to comment on")
    return post
