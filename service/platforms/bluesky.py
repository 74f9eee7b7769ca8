"""Bluesky, over plain XRPC.

The post is written by `putRecord` under a key made from the delivery's id: a repeat writes the same
record again, however late. `createRecord` would answer 500 for ever once the key is used.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import msgspec

from service.errors import Problem
from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms import bluesky_post
from service.platforms.bluesky_api import NAME, Api, BlobGone, Session
from service.platforms.bluesky_sessions import Sessions, log_in
from service.platforms.contract import (
    FOREVER,
    Absent,
    Ambiguous,
    Content,
    CredentialField,
    Limits,
    MediaFile,
    PlatformError,
    Profile,
    Publication,
    Published,
    RateLimited,
    Transient,
    Unknown,
    Wait,
)
from service.platforms.validation import check_credentials, problems, server_root


class Bluesky:
    """Publishes to one account of any AT Protocol server.

    Handles: `blob:<id>` is an uploaded image, `did:<handle>` a resolved mention, `created_at` the
    record's time, stored before the first commit so that a repeat is identical.
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
        alt_text=2_000,
    )
    live = True
    local = False
    default_base_url = "https://bsky.social"
    credential_fields: Mapping[str, CredentialField] = {
        "identifier": CredentialField("The handle, e.g. alice.bsky.social.", secret=False),
        "app_password": CredentialField(
            "An app password, made in Settings > Privacy and security > App passwords."
        ),
    }
    commit_deadline = timedelta(seconds=10)
    visibility_lag = timedelta(seconds=5)
    repeat_window = FOREVER

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._sessions = Sessions(outbound)

    def text_of(self, content: Content) -> str:
        """Return the text; the link is a card of its own where no images take its place."""
        return bluesky_post.post_text(content)

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content."""
        return problems(content, self.text_of(content), limits)

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Log in and keep the session."""
        check_credentials(self.credential_fields, credentials)
        server = server_root(base_url or self.default_base_url)
        session = await log_in(Api(self._outbound, server), credentials)
        return Profile(
            handle=session.handle,
            display_name=session.handle,
            base_url=server,
            limits=self.limits,
            session=msgspec.to_builtins(session),
        )

    async def prepare(self, publication: Publication) -> None:
        """Upload each image and resolve each mention once; each result is stored at once."""
        handles = publication.handles
        for file in publication.content.media:
            if f"blob:{file.id}" not in handles:
                handles[f"blob:{file.id}"] = await self._upload(publication, file)
                await publication.save(dict(handles))
        api = Api(self._outbound, publication.destination.base_url)
        for handle in bluesky_post.mentioned_handles(publication.content):
            if f"did:{handle}" not in handles:
                handles[f"did:{handle}"] = await api.resolve(handle)
                await publication.save(dict(handles))

    async def _upload(self, publication: Publication, file: MediaFile) -> dict[str, object]:
        async def upload(api: Api, _: Session) -> dict[str, object]:
            return await api.upload(file)

        return await self._sessions.use(publication, upload)

    async def check(self, publication: Publication) -> Wait | None:
        """Wait for nothing: an uploaded blob is ready."""
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
                return await self._sessions.use(publication, partial(self._put, publication))
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

    async def _put(self, publication: Publication, api: Api, session: Session) -> Published:
        handles, rkey = publication.handles, bluesky_post.record_key(publication.delivery_id)
        record = bluesky_post.build(
            publication.content,
            created_at=str(handles["created_at"]),
            blobs=[handles[f"blob:{file.id}"] for file in publication.content.media],
            dids=_dids(publication),
        )
        deadline = self.commit_deadline.total_seconds() / 2
        uri = await api.put(session.did, rkey, record, deadline)
        return _published(uri, session)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Read the record under the delivery's key."""

        async def find(api: Api, session: Session) -> Published | Absent:
            rkey = bluesky_post.record_key(publication.delivery_id)
            uri = await api.find(session.did, bluesky_post.COLLECTION, rkey)
            return Absent() if uri is None else _published(uri, session)

        return await self._sessions.use(publication, find)


def _dids(publication: Publication) -> dict[str, str | None]:
    handles = bluesky_post.mentioned_handles(publication.content)
    known = {handle: publication.handles.get(f"did:{handle}") for handle in handles}
    return {handle: did for handle, did in known.items() if isinstance(did, str)}


def _published(uri: str, session: Session) -> Published:
    rkey = uri.rpartition("/")[2]
    return Published(uri, f"https://bsky.app/profile/{session.handle}/post/{rkey}")
