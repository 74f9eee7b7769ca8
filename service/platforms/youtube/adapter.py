"""YouTube, by the Data API v3.

The video is uploaded as a private one by a resumable session, which outlives a crash. The commit
only changes its visibility, which may be repeated for ever. A comment below it is written once, see
youtube_comments.py.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import InvalidInput, Problem
from service.platforms.base import Adapter
from service.platforms.contract import (
    FOREVER,
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
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.limits import Limits, Replies
from service.platforms.setup import Setup
from service.platforms.tokens import access_token, refresh_token, renewed
from service.platforms.validation import check_credentials
from service.platforms.youtube import comments as youtube_comments
from service.platforms.youtube import upload as youtube_upload
from service.platforms.youtube.api import NAME, Api
from service.platforms.youtube.models import SITE
from service.platforms.youtube.oauth import GoogleOAuth
from service.platforms.youtube.video import LIMITS, OPTIONS, chosen, problems, status


class YouTube(Adapter):
    """Publishes videos to one channel.

    Handles: `session` is the upload session, `received` how many bytes it has, `video` the id once
    all are there, `thumbnail` and `processed` that it has one and is ready; of a comment,
    `commenting` is when it began to be written, `comment` its id.
    """

    name = "youtube"
    title = NAME
    limits = LIMITS
    default_base_url = SITE
    credential_fields: Mapping[str, CredentialField] = {
        "refresh_token": CredentialField(
            "A refresh token with the scope youtube.force-ssl, of this installation's app.",
            required=False,
        ),
        "access_token": CredentialField(
            "An access token with that scope; without a refresh token it lasts an hour.",
            required=False,
        ),
    }
    option_fields = OPTIONS
    replies = Replies.COMMENTS
    deletes = True
    measures = True
    visibility_lag = timedelta(seconds=30)
    repeat_window = FOREVER
    absence_is_proof = True
    retry_base = timedelta(seconds=120)

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._root = setup.root(self.name, "www.googleapis.com")
        self._google = GoogleOAuth(setup)
        self.oauth = self._google

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of a video or a comment."""
        found = super().validate(content, limits)
        if content.kind == "post":
            found += problems(content, self.text_of(content))
        return found

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Prove the tokens and read the channel they belong to."""
        check_credentials(self.credential_fields, credentials)
        given = {name: token for name, value in credentials.items() if (token := value.strip())}
        if not given:
            text = "Missing: give a refresh token or an access token."
            raise InvalidInput([Problem("credentials.refresh_token", text, "missing")])
        session: Handles = dict(given)
        if "refresh_token" in given:
            session = renewed(session, await self._google.refresh(given["refresh_token"]))
        return await self._google.profile(session)

    async def refresh(self, destination: Destination) -> Handles:
        """Renew the access token; the refresh token stays unless Google gives another."""
        session = destination.session
        token = refresh_token(session, destination.credentials)
        if token is None:
            raise AuthFailed(f"{NAME}: the access token has expired: connect the account again")
        return renewed(session, await self._google.refresh(token))

    async def prepare(self, publication: Publication) -> None:
        """Upload the video and its thumbnail; of a comment, nothing."""
        if publication.content.kind == "post":
            api = self._api(publication.destination)
            await youtube_upload.upload(api, publication)
            await youtube_upload.set_thumbnail(api, publication)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask whether the video is processed, or what became of an unanswered comment."""
        api = self._api(publication.destination)
        if publication.content.kind != "post":
            return await youtube_comments.settle(api, publication)
        return await youtube_upload.processed(api, publication)

    async def commit(self, publication: Publication) -> Published:
        """Give the video its visibility, or write the comment."""
        api, deadline = self._api(publication.destination), self.commit_deadline
        if publication.content.kind != "post":
            return await youtube_comments.write(api, publication, deadline)
        wanted, video_id = _privacy(publication), str(publication.handles["video"])
        if wanted != "private":
            body = status(publication.content, wanted)
            video = await api.set_status(video_id, body, deadline)
            if video.status.privacy_status != wanted:
                text = (
                    f"the video stays {video.status.privacy_status}: YouTube lets an app that has "
                    "not passed its audit upload private videos only; have the app audited"
                )
                raise Rejected(f"{NAME}, publishing: {text}")
        return _published(video_id)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Read the video's visibility, or look for the comment."""
        api = self._api(publication.destination)
        if publication.content.kind != "post":
            return await youtube_comments.find(api, publication)
        video_id = publication.handles.get("video")
        if video_id is None:
            return Absent()
        video = await api.video(str(video_id), "status")
        if video is None or video.status.privacy_status != _privacy(publication):
            return Absent()
        return _published(video.id)

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove the video or the comment."""
        api = self._api(destination)
        if post.details.get("comment"):
            await api.delete_comment(post.remote_id)
        else:
            await api.delete_video(post.remote_id)

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Return a video's views, likes and comments; of a comment, nothing."""
        if post.details.get("comment"):
            return {}
        video = await self._api(destination).video(post.remote_id, "statistics")
        if video is None:
            raise Rejected(f"{NAME}, reading the video: it is not there any more")
        counts = video.statistics
        return _numbers(
            views=counts.view_count, likes=counts.like_count, comments=counts.comment_count
        )

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Return the channel's subscribers, videos and views."""
        counts = (await self._api(destination).channel()).statistics
        followers = None if counts.hidden_subscriber_count else counts.subscriber_count
        return _numbers(followers=followers, posts=counts.video_count, views=counts.view_count)

    def _api(self, destination: Destination) -> Api:
        token = access_token(destination.session, destination.credentials)
        return Api(self._outbound, self._root, token)


def _privacy(publication: Publication) -> str:
    return str(chosen(publication.content, "privacy"))


def _published(video_id: str) -> Published:
    return Published(video_id, f"{SITE}/watch?v={video_id}")


def _numbers(**counts: str | None) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items() if count is not None}
