"""Images and videos on their way to LinkedIn, where nobody sees them yet.

A handle `media:<id>` holds what LinkedIn said when the upload began: the URN, where to send what,
and when that expires; then the ETag of each part that has arrived, `sent` and `ready`. Sources: the
Images API and the Videos API, https://learn.microsoft.com/linkedin/marketing/community-management.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms.contract import MediaFile, Publication, Wait
from service.platforms.failures import Rejected, Transient
from service.platforms.http import Step, decode, send
from service.platforms.linkedin.api import NAME, UPLOAD_DEADLINE, Api, encoded
from service.platforms.linkedin.errors import failure
from service.platforms.uploads import chunks, opened, piece

IMAGE_WAIT, VIDEO_WAIT = 3.0, 15.0
"""Seconds between two looks at what is being processed."""

State = dict[str, Any]


class _Part(msgspec.Struct, rename="camel"):
    upload_url: str
    first_byte: int
    last_byte: int


class _Begun(msgspec.Struct, rename="camel"):
    image: str = ""
    video: str = ""
    upload_url: str = ""
    upload_url_expires_at: int | None = None
    upload_urls_expire_at: int | None = None
    """Milliseconds since 1970."""
    upload_token: str = ""
    upload_instructions: tuple[_Part, ...] = ()


class _Value(msgspec.Struct):
    value: _Begun


class _Status(msgspec.Struct):
    status: str = ""


class UploadGone(Transient):
    """What was begun has expired: the upload begins anew."""


def urn_of(publication: Publication, file: MediaFile) -> str:
    """Return how a post refers to an uploaded file."""
    state = publication.handles[f"media:{file.id}"]
    assert isinstance(state, dict)
    return str(state["urn"])


async def upload(api: Api, owner: str, publication: Publication) -> None:
    """Send each file once; whatever has arrived is stored before the next call."""
    handles = publication.handles
    for file in publication.content.media:
        key = f"media:{file.id}"
        state = handles.get(key)
        if isinstance(state, dict) and _expired(state):
            state = None
        if not isinstance(state, dict):
            state = handles[key] = await _begin(api, owner, file)
            await publication.save(dict(handles))
        if state.get("sent"):
            continue
        try:
            await (_send_video if file.is_video else _send_image)(api, publication, file, state)
        except UploadGone:
            del handles[key]
            await publication.save(dict(handles))
            raise
        handles[key] = {"urn": state["urn"], "sent": True}
        await publication.save(dict(handles))


async def ready(api: Api, publication: Publication) -> Wait | None:
    """Ask whether LinkedIn has processed each file.

    Raises:
        Rejected: it cannot use one.
    """
    handles = publication.handles
    for file in publication.content.media:
        state = handles[f"media:{file.id}"]
        assert isinstance(state, dict)
        if state.get("ready"):
            continue
        found = await _status(api, file, str(state["urn"]))
        if found == "PROCESSING_FAILED":
            kind = "video" if file.is_video else "image"
            raise Rejected(f"{NAME}, processing: it cannot use this {kind}; take another file")
        if found != "AVAILABLE":
            seconds = VIDEO_WAIT if file.is_video else IMAGE_WAIT
            return Wait(seconds, f"{NAME} is still processing what was uploaded")
        handles[f"media:{file.id}"] = {**state, "ready": True}
        await publication.save(dict(handles))
    return None


async def _status(api: Api, file: MediaFile, urn: str) -> str:
    step = api.step("asking for the upload")
    path = f"/rest/{'videos' if file.is_video else 'images'}/{encoded(urn)}"
    answer = await api.call(step, "GET", path, good=(403,))
    # A member's token may upload, but not always read; the post itself then tells.
    return "AVAILABLE" if answer.status == 403 else decode(step, answer, _Status).status


async def _begin(api: Api, owner: str, file: MediaFile) -> State:
    step = api.step("beginning an upload")
    asked: dict[str, object] = {"owner": owner}
    if file.is_video:
        asked |= {"fileSizeBytes": file.size, "uploadCaptions": False, "uploadThumbnail": False}
    path = f"/rest/{'videos' if file.is_video else 'images'}"
    answer = await api.call(
        step,
        "POST",
        path,
        params={"action": "initializeUpload"},
        json={"initializeUploadRequest": asked},
    )
    begun = decode(step, answer, _Value).value
    expires = begun.upload_urls_expire_at or begun.upload_url_expires_at
    if not file.is_video:
        return {"urn": begun.image, "url": begun.upload_url, "expires": expires}
    parts = [[p.upload_url, p.first_byte, p.last_byte] for p in begun.upload_instructions]
    token = begun.upload_token
    return {"urn": begun.video, "parts": parts, "etags": [], "token": token, "expires": expires}


def _expired(state: State) -> bool:
    expires = state.get("expires")
    return isinstance(expires, int) and datetime.fromtimestamp(expires / 1000, UTC) <= now()


async def _send_image(api: Api, publication: Publication, file: MediaFile, state: State) -> None:
    url = str(state["url"])
    step = api.step("uploading an image", deadline=UPLOAD_DEADLINE, secrets=(url,))
    async with opened(step, file) as handle:
        headers = {**api.authorization, **_headers(file.size)}
        await _put(api, step, url, headers, chunks(handle))


async def _send_video(api: Api, publication: Publication, file: MediaFile, state: State) -> None:
    """Send the parts that have no ETag yet, in order, and put them together."""
    parts, etags = state["parts"], list(state["etags"])
    secrets = [str(url) for url, _, _ in parts]
    step = api.step("uploading the video", deadline=UPLOAD_DEADLINE, secrets=secrets)
    async with opened(step, file) as handle:
        for url, first, last in parts[len(etags) :]:
            size = last - first + 1
            answer = await _put(api, step, url, _headers(size), piece(handle, first, size))
            if not (etag := answer.headers.get("etag", "").strip('"')):
                raise Transient(step.says("the answer to a part has no ETag"))
            etags.append(etag)
            publication.handles[f"media:{file.id}"] = {**state, "etags": list(etags)}
            await publication.save(dict(publication.handles))
    body = {"video": state["urn"], "uploadToken": state["token"], "uploadedPartIds": etags}
    await api.call(
        api.step("finishing the upload"),
        "POST",
        "/rest/videos",
        params={"action": "finalizeUpload"},
        json={"finalizeUploadRequest": body},
    )


async def _put(
    api: Api, step: Step, url: str, headers: Mapping[str, str], content: AsyncIterator[bytes]
) -> Answer:
    """Send a piece of a file to where LinkedIn wants it; repeatable."""
    answer = await send(api.outbound, step, "PUT", url, headers=headers, content=content)
    if answer.status in (403, 404, 410):
        text = f"status {answer.status}: LinkedIn takes the file here no more; it begins anew"
        raise UploadGone(step.says(text))
    if not answer.is_success:
        raise failure(step, answer)
    return answer


def _headers(size: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
