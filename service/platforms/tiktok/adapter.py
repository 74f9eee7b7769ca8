"""TikTok: a video from our disk, or photos that TikTok fetches.

What TikTok has taken whole, it publishes: the last chunk of a video is the commit, and of photos
the very call that names their URLs. What became of it is asked under the `publish_id`.
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
from service.platforms.failures import RateLimited, Rejected, Transient
from service.platforms.limits import Limits
from service.platforms.setup import Setup
from service.platforms.tiktok import outcome as tiktok_outcome
from service.platforms.tiktok import photos as tiktok_photos
from service.platforms.tiktok import post as tiktok_post
from service.platforms.tiktok import upload as tiktok_upload
from service.platforms.tiktok.api import HOST, NAME, Api, Status
from service.platforms.tiktok.chunks import plan
from service.platforms.tiktok.errors import ScopeMissing
from service.platforms.tiktok.oauth import WEBSITE, Login
from service.platforms.tiktok.upload import remember
from service.platforms.tokens import access_token
from service.platforms.validation import check_credentials, problems

POLL = 10.0
"""Seconds between questions; half a minute is what 512 MB take on the average."""


class TikTok(Adapter):
    """Publishes to one TikTok account.

    Handles: `publish_id`, `upload_url` and `begun` of an upload, `sent` chunks of it, `closing`
    before the last one; `accepted` once TikTok has all; then `complete_at`, and `finished` with
    what came of it.
    """

    name = "tiktok"
    title = NAME
    limits = tiktok_post.LIMITS
    default_base_url = WEBSITE
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField("A user access token with the scope video.publish."),
        "refresh_token": CredentialField("Its refresh token.", required=False),
    }
    option_fields = tiktok_post.OPTIONS
    measures = True
    commit_deadline = timedelta(seconds=50)
    visibility_lag = timedelta(seconds=60)
    absence_is_proof = True
    retry_base = timedelta(seconds=90)
    refresh_before = timedelta(minutes=15)

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._root = setup.root(self.name, HOST)
        self._login = Login(setup, self.limits)
        self.oauth = self._login

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem; who may see a draft is chosen in the app."""
        found = problems(
            content,
            self.text_of(content),
            tiktok_post.limits_for(content, limits),
            options=self.option_fields,
            replies=self.replies,
        )
        if tiktok_post.is_inbox(content):
            found = [p for p in found if (p.field, p.code) != ("options.privacy_level", "missing")]
        return [*found, *tiktok_post.own_problems(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Read whose token it is, and how long a video it may post."""
        check_credentials(self.credential_fields, credentials)
        return await self._login.profile(credentials["access_token"].strip())

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the refresh token, which works once."""
        return await self._login.refresh(destination)

    async def prepare(self, publication: Publication) -> None:
        """Ask what the account may post; send a video up to its last chunk."""
        handles, content = publication.handles, publication.content
        if "accepted" in handles:
            return
        api, video = self._api(publication.destination), tiktok_post.video_of(content)
        if video is None:
            await tiktok_photos.prepare(api, publication, self.text_of(content))
            return
        if "publish_id" in handles:
            await tiktok_upload.resume(api, publication, video)
        else:
            creator = None if tiktok_post.is_inbox(content) else await api.creator()
            if creator is not None:
                tiktok_post.require_allowed(content, creator)
            cut = plan(video.size)
            body = tiktok_post.video_body(content, self.text_of(content), cut, creator)
            begun = await api.begin_video(body, inbox=creator is None)
            await remember(
                publication,
                publish_id=begun.publish_id,
                upload_url=begun.upload_url,
                begun=now().timestamp(),
                sent=0,
            )
        if "accepted" not in handles:
            await tiktok_upload.send_all_but_last(api, publication, video)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for a post that TikTok has taken, until it is out."""
        handles = publication.handles
        if "accepted" not in handles or "finished" in handles:
            return None
        try:
            status = await self._status(publication)
        except (Transient, RateLimited) as error:
            return Wait(3 * POLL, error.message)
        if status.status == "FAILED":
            await tiktok_upload.forget(publication)
            raise tiktok_upload.given_up("publishing", status)
        if not tiktok_outcome.is_out(status):
            return Wait(POLL, f"{NAME} is processing the post")
        if await tiktok_outcome.awaits_id(publication, status):
            return Wait(1.5 * POLL, f"{NAME} has published it and is giving it its address")
        await remember(publication, finished=tiktok_outcome.outcome(status))
        return None

    async def commit(self, publication: Publication) -> Published | Wait:
        """Send the last chunk, or have the photos fetched; later, return what came of it."""
        handles, content = publication.handles, publication.content
        if isinstance(found := handles.get("finished"), dict):
            return tiktok_outcome.published(publication, found)
        if "accepted" not in handles:
            api, video = self._api(publication.destination), tiktok_post.video_of(content)
            if video is None:
                text, seconds = self.text_of(content), self.commit_deadline.total_seconds()
                await tiktok_photos.post(api, publication, text, seconds)
            else:
                await tiktok_upload.send_last(api, publication, video, self.commit_deadline)
                await remember(publication, accepted=True)
        return Wait(POLL, f"{NAME} is processing the post")

    async def reconcile(self, publication: Publication) -> Found:
        """Ask what became of the publication; of photos whose answer was lost nobody knows."""
        handles = publication.handles
        if isinstance(found := handles.get("finished"), dict):
            return tiktok_outcome.published(publication, found)
        if "accepted" not in handles and "closing" not in handles:
            photos = tiktok_post.video_of(publication.content) is None
            if photos and publication.committed_since is not None:
                return Unknown("it never said under which id it posts; look at the profile")
            return Absent()
        status = await self._status(publication)
        if status.status == "FAILED":
            await tiktok_upload.forget(publication)
            error = tiktok_upload.given_up("publishing", status)
            if isinstance(error, Rejected):
                return Refused(error.message)
            if isinstance(error, Transient):
                return Absent()
            raise error
        if tiktok_outcome.is_out(status):
            return tiktok_outcome.published(publication, tiktok_outcome.outcome(status))
        return await self._unfinished(publication, status)

    async def _unfinished(self, publication: Publication, status: Status) -> Found:
        video = tiktok_post.video_of(publication.content)
        untold = status.uploaded_bytes is None
        if video is None or untold or tiktok_upload.is_complete(status, video):
            return Wait(POLL, f"{NAME} is processing the post")
        if tiktok_upload.is_over(publication):
            await tiktok_upload.forget(publication)
        return Absent()

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Return views, likes, comments and shares of a public post."""
        try:
            return await tiktok_outcome.metrics(self._api(destination), post)
        except ScopeMissing:
            return {}

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Return followers, followed accounts and public posts."""
        try:
            return await tiktok_outcome.audience(self._api(destination))
        except ScopeMissing:
            return {}

    async def _status(self, publication: Publication) -> Status:
        api = self._api(publication.destination)
        return await api.status(str(publication.handles["publish_id"]))

    def _api(self, destination: Destination) -> Api:
        token = access_token(destination.session, destination.credentials)
        return Api(self._outbound, self._root, token)
