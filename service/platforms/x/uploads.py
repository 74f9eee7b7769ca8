"""Media on their way to X (https://docs.x.com/x-api/media).

A small image is one request. All else is announced, sent in numbered segments and finished; a
segment that is sent again takes the place of the first, so an upload goes on where it was stopped.
What is known of an upload is stored after every step, see x_handles.
"""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from service.kit.clock import now
from service.platforms.contract import MediaFile, Publication, Wait
from service.platforms.failures import Rejected, Transient
from service.platforms.x.api import NAME
from service.platforms.x.errors import MediaGone
from service.platforms.x.handles import Upload, forget, store, stored
from service.platforms.x.media_api import MediaApi, Processing, Uploaded

ONE_SHOT_BYTES = 5_000_000
"""Larger images, and everything that moves, go in segments."""
SEGMENT_BYTES = 4 * 2**20
"""What X's own command line sends; 5 MiB is refused by a gate in front of the API (431)."""
MOST_SEGMENTS = 1_000
LIFE = timedelta(hours=24)
"""Of an uploaded file, where an answer does not say."""
DEFAULT_POLL = 5.0
"""Seconds between two looks at the processing, where an answer does not say."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a file: `size` bytes from `start` on."""

    index: int
    start: int
    size: int


def segments(size: int) -> list[Segment]:
    """Cut a file of so many bytes into segments.

    Raises:
        ValueError: X has not enough numbers for them; validation allows no such file.
    """
    count = -(-size // SEGMENT_BYTES)
    if count > MOST_SEGMENTS:
        raise ValueError(f"{size:,} bytes are more than {MOST_SEGMENTS:,} segments")
    starts = range(0, size, SEGMENT_BYTES)
    return [Segment(i, start, min(SEGMENT_BYTES, size - start)) for i, start in enumerate(starts)]


def category(file: MediaFile) -> str:
    """Return X's name for what a file is."""
    if file.is_video:
        return "tweet_video"
    return "tweet_gif" if file.content_type == "image/gif" else "tweet_image"


async def bring(api: MediaApi, publication: Publication, file: MediaFile) -> None:
    """Upload a file as far as it is not yet, and describe it.

    Raises:
        MediaGone: X has lost what was uploaded; the next time begins anew.
    """
    try:
        await _bring(api, publication, file)
    except MediaGone:
        await forget(publication, file)
        raise


async def _bring(api: MediaApi, publication: Publication, file: MediaFile) -> None:
    upload = stored(publication, file)
    if upload is None:
        upload = await store(publication, file, await _begin(api, file))
    if upload.stage == "sending":
        upload = await _send(api, publication, file, upload)
    elif upload.stage == "finishing":
        upload = await _finish_again(api, publication, file, upload)
    # X takes no description of a video.
    if file.alt and not file.is_video and not upload.described:
        await api.describe(upload.media_id, file.alt)
        await store(publication, file, msgspec.structs.replace(upload, described=True))


async def _begin(api: MediaApi, file: MediaFile) -> Upload:
    if category(file) == "tweet_image" and file.size <= ONE_SHOT_BYTES:
        return _after(await api.upload(file, category(file)))
    begun = await api.initialize(file, category(file))
    return Upload(media_id=begun.id, stage="sending", expires_at=_end(begun))


async def _send(api: MediaApi, publication: Publication, file: MediaFile, upload: Upload) -> Upload:
    for segment in segments(file.size)[upload.sent :]:
        await api.append(upload.media_id, file, segment.index, segment.start, segment.size)
        upload = msgspec.structs.replace(upload, sent=segment.index + 1)
        upload = await store(publication, file, upload)
    upload = await store(publication, file, msgspec.structs.replace(upload, stage="finishing"))
    return await store(publication, file, _after(await api.finalize(upload.media_id)))


async def _finish_again(
    api: MediaApi, publication: Publication, file: MediaFile, upload: Upload
) -> Upload:
    """Go on after a finish whose answer nobody has seen: X may have begun to work on the file."""
    found = await api.status(upload.media_id)
    if found is None or found.processing_info is None:
        try:
            found = await api.finalize(upload.media_id)
        except Rejected as error:
            raise MediaGone(f"{error.message}; it will be uploaded again") from error
    return await store(publication, file, _after(found))


def _after(answer: Uploaded) -> Upload:
    """Return what an upload is once X has all of the file."""
    work = answer.processing_info
    done = work is None or work.state == "succeeded"
    return Upload(
        media_id=answer.id,
        stage="ready" if done else "processing",
        expires_at=_end(answer),
        poll=None if work is None or done else _poll(work),
    )


def _end(answer: Uploaded) -> float:
    life = answer.expires_after_secs or LIFE.total_seconds()
    return now().timestamp() + life


def _poll(work: Processing) -> float:
    return float(work.check_after_secs or DEFAULT_POLL)


async def wait_for(api: MediaApi, publication: Publication, file: MediaFile) -> Wait | None:
    """Ask whether X has worked a file up; None when it can be attached.

    Raises:
        MediaGone: X has lost it; it will be uploaded again.
        Transient: X failed by its own fault; the same.
        Rejected: X cannot use the file.
    """
    upload = stored(publication, file)
    if upload is None or upload.stage != "processing":
        return None
    reason = f"{NAME} is still processing the media"
    if upload.poll:
        await store(publication, file, msgspec.structs.replace(upload, poll=None))
        return Wait(upload.poll, reason)
    found = await api.status(upload.media_id)
    if found is None or found.processing_info is None:
        await forget(publication, file)
        raise MediaGone(f"{NAME} no longer has media {file.id}; it will be uploaded again")
    work = found.processing_info
    if work.state == "failed":
        await forget(publication, file)
        raise _failed(work, file)
    if work.state != "succeeded":
        return Wait(_poll(work), reason)
    await store(publication, file, msgspec.structs.replace(upload, stage="ready"))
    return None


def _failed(work: Processing, file: MediaFile) -> Transient | Rejected:
    why = f"{work.error.name}: {work.error.message}".strip(": ") if work.error else "no reason"
    text = f"{NAME}, processing the media: {file.id} failed ({why})"
    if work.error and "internal" in work.error.name.lower():
        return Transient(f"{text}; it will be uploaded again")
    return Rejected(f"{text}. Check its length, codec and size, or give another file")
