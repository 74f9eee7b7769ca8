"""Bluesky, over plain XRPC.

The post is written by `putRecord` under a key made from the delivery's id: a repeat writes the same
record again, however late. `createRecord` would answer 500 for ever once the key is used. Only a
post whose replies or quotes are restricted is created, in one write with the records that restrict
them, so that it is never open in between; it is looked for before, and a second creation fails.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from service.errors import Problem
from service.kit.clock import now
from service.platforms.base import Adapter
from service.platforms.bluesky import numbers as bluesky_numbers
from service.platforms.bluesky import options as bluesky_options
from service.platforms.bluesky import post as bluesky_post
from service.platforms.bluesky import replies as bluesky_replies
from service.platforms.bluesky import repo as bluesky_repo
from service.platforms.bluesky import uploads as bluesky_uploads
from service.platforms.bluesky.api import NAME, Api, BlobGone
from service.platforms.bluesky.repo import Stored
from service.platforms.bluesky.sessions import Session, session_of, stored_session
from service.platforms.bluesky.video import HOST, VideoService
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
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    TokenExpired,
    Transient,
)
from service.platforms.limits import Limits, Replies, VideoLimits
from service.platforms.setup import Setup
from service.platforms.validation import check_credentials, server_root

PROCESSING_WAIT = 5.0

log = logging.getLogger(__name__)


class Bluesky(Adapter):
    """Publishes to one account of any AT Protocol server.

    Handles: `did:<handle>` is a resolved mention, `created_at` the record's time, stored before the
    first commit so that a repeat is identical; for others see bluesky_uploads.py and
    bluesky_replies.py.
    """

    name = "bluesky"
    title = NAME
    limits = Limits(
        text_units=300,
        unit="graphemes",
        text_bytes=3_000,
        images=4,
        image_bytes=2_000_000,
        image_types=("image/jpeg", "image/png", "image/webp"),
        alt_text=bluesky_options.IMAGE_ALT,
        videos=1,
        video=VideoLimits(bytes=300_000_000, seconds=(0.0, 180.0)),
        comment_images=4,
    )
    """Bytes of a video: lexicon app.bsky.embed.video since August 2026. Its length: 3 minutes since
    March 2025; 10 minutes are given to chosen accounts since August 2026."""
    default_base_url = "https://bsky.social"
    has_servers = True
    credential_fields: Mapping[str, CredentialField] = {
        "identifier": CredentialField("The handle, e.g. alice.bsky.social.", secret=False),
        "app_password": CredentialField(
            "An app password, made in Settings > Privacy and security > App passwords."
        ),
    }
    option_fields = bluesky_options.FIELDS
    replies = Replies.THREADS
    deletes = True
    measures = True
    visibility_lag = timedelta(seconds=5)
    repeat_window = FOREVER
    direct_bytes = 50 * 2**20
    """Videos up to this size go to the account's own server, which takes blobs of 50 MiB by default
    (PDS_BLOB_UPLOAD_LIMIT, October 2024); larger ones to the video service."""

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._videos = VideoService(setup.outbound, setup.root(self.name, HOST))

    def text_of(self, content: Content) -> str:
        """Return the text; the link is a card of its own where no media take its place."""
        return bluesky_post.post_text(content)

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content."""
        found = super().validate(content, limits)
        return [*found, *bluesky_options.option_problems(content)]

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Log in and keep the session."""
        check_credentials(self.credential_fields, credentials)
        server = server_root(base_url or self.default_base_url)
        session = await self._log_in(server, credentials)
        return Profile(
            handle=session.handle,
            display_name=session.handle,
            base_url=server,
            limits=self.limits,
            session=session_of(session),
        )

    async def _log_in(self, server: str, credentials: Mapping[str, str]) -> Session:
        identifier = credentials["identifier"].strip().removeprefix("@")
        api = Api(self._outbound, server)
        return await api.create_session(identifier, credentials["app_password"].strip())

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the refresh token; where that is used up or revoked, log in anew."""
        server, stored = destination.base_url, stored_session(destination.session)
        if stored is not None and stored.refreshJwt:
            try:
                newer = await Api(self._outbound, server, stored.refreshJwt).refresh_session()
            except AuthFailed:
                log.info("the refresh token is refused, logging in", extra={"server": server})
            else:
                return session_of(stored.renewed(newer))
        return session_of(await self._log_in(server, destination.credentials))

    async def prepare(self, publication: Publication) -> None:
        """Upload each file, resolve each mention and read each answered post's version once.

        Each result is stored at once.
        """
        handles = publication.handles
        for file in publication.content.media:
            if not bluesky_uploads.is_sent(publication, file):
                api, session = self._logged_in(publication.destination)
                large = file.is_video and file.size > self.direct_bytes
                videos = self._videos if large else None
                await bluesky_uploads.send(publication, file, api, session, videos)
        api = Api(self._outbound, publication.destination.base_url)
        for handle in bluesky_post.mentioned_handles(publication.content):
            if f"did:{handle}" not in handles:
                handles[f"did:{handle}"] = await api.resolve(handle)
                await publication.save(dict(handles))
        await bluesky_replies.find_versions(publication, api)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask for a video that the video service was still working on."""
        for file in publication.content.media:
            if not await bluesky_uploads.is_ready(publication, file, self._videos):
                return Wait(PROCESSING_WAIT, f"{NAME} is still processing a video")
        return None

    async def commit(self, publication: Publication) -> Published:
        """Write the record."""
        handles = publication.handles
        first = "created_at" not in handles
        if first:
            handles["created_at"] = now().isoformat(timespec="milliseconds")
            await publication.save(dict(handles))
        try:
            async with asyncio.timeout(self.commit_deadline.total_seconds()):
                return await self._write(publication)
        except TimeoutError as error:
            text = f"{NAME}, posting: no answer in time; the post may be there"
            raise Ambiguous(text) from error
        except (Transient, RateLimited) as error:
            await self._forget(publication, error, made_time=first)
            raise

    async def _forget(
        self, publication: Publication, error: PlatformError, *, made_time: bool
    ) -> None:
        """After a commit that wrote nothing, drop what the next one must make anew."""
        handles = publication.handles
        if made_time:
            # A post that goes out hours later must not look hours old.
            del handles["created_at"]
        if isinstance(error, BlobGone):
            for file in publication.content.media:
                del handles[f"blob:{file.id}"]
        await publication.save(dict(handles))

    async def _write(self, publication: Publication) -> Published:
        api, session = self._logged_in(publication.destination)
        content, uri = publication.content, _uri(session, publication)
        created_at = str(publication.handles["created_at"])
        record = bluesky_post.build(
            content,
            created_at=created_at,
            blobs=bluesky_uploads.blobs(publication),
            dids=_dids(publication),
            reply=bluesky_replies.reply_of(publication),
        )
        deadline = self.commit_deadline.total_seconds() / 2
        gates = bluesky_options.gates(content, uri, created_at)
        if not gates:
            stored = await bluesky_repo.put(api, uri, record, deadline)
        elif (found := await bluesky_repo.find(api, uri)) is not None:
            stored = found
        else:
            stored = await bluesky_repo.create_all(api, [(uri, record), *gates], deadline)
        return _published(stored, session)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Read the record under the delivery's key."""
        api, session = self._logged_in(publication.destination)
        found = await bluesky_repo.find(api, _uri(session, publication))
        return Absent() if found is None else _published(found, session)

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post, and what restricts its replies and quotes."""
        api, _ = self._logged_in(destination)
        await bluesky_repo.delete(api, post.remote_id)
        for collection in (bluesky_options.THREADGATE, bluesky_options.POSTGATE):
            await bluesky_repo.delete(api, bluesky_options.gate_uri(collection, post.remote_id))

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Read how often a post was liked, shared, answered and saved."""
        api, _ = self._logged_in(destination)
        return await bluesky_numbers.metrics(api, post.remote_id)

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Read how many follow the account, and whom it follows."""
        api, session = self._logged_in(destination)
        return await bluesky_numbers.audience(api, session.did)

    def _logged_in(self, destination: Destination) -> tuple[Api, Session]:
        session = stored_session(destination.session)
        if session is None:
            raise TokenExpired(f"{NAME}: nobody has logged in yet")
        return Api(self._outbound, destination.base_url, session.accessJwt), session


def _uri(session: Session, publication: Publication) -> str:
    rkey = bluesky_post.record_key(publication.delivery_id)
    return f"at://{session.did}/{bluesky_post.COLLECTION}/{rkey}"


def _dids(publication: Publication) -> dict[str, str | None]:
    handles = bluesky_post.mentioned_handles(publication.content)
    known = {handle: publication.handles.get(f"did:{handle}") for handle in handles}
    return {handle: did for handle, did in known.items() if isinstance(did, str)}


def _published(stored: Stored, session: Session) -> Published:
    rkey = stored.uri.rpartition("/")[2]
    return Published(
        stored.uri,
        f"https://bsky.app/profile/{session.handle}/post/{rkey}",
        details={"cid": stored.cid},
        pause_until=stored.pause_until,
    )
