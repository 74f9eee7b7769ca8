"""Bringing a video to TikTok: all of it but the last chunk, and then that one.

The bytes belong to one publication, so sending some again can never make a second post; opening
another publication could. Therefore no other one is opened while the last chunk may be under way.
"""

from datetime import timedelta

from service.kit.clock import now
from service.platforms.contract import MediaFile, Publication
from service.platforms.failures import Ambiguous, PlatformError, Transient
from service.platforms.http import Step
from service.platforms.tiktok.api import NAME, Api, Status
from service.platforms.tiktok.chunks import plan
from service.platforms.tiktok.errors import UploadGone, ended

LIFE = timedelta(hours=1)
"""How long an upload URL works."""
CHUNK_DEADLINE = 60.0


async def forget(publication: Publication) -> None:
    """Drop a publication of which nothing can come any more; the next one begins anew."""
    publication.handles.clear()
    await publication.save({})


async def remember(publication: Publication, **handles: object) -> None:
    """Store more handles."""
    publication.handles.update(handles)
    await publication.save(dict(publication.handles))


def given_up(action: str, status: Status) -> PlatformError:
    """Return what it means that TikTok has given a publication up."""
    return ended(Step(NAME, action), status.fail_reason)


async def resume(api: Api, publication: Publication, file: MediaFile) -> None:
    """Ask how much of a video TikTok has, which a lost answer may have left unclear.

    Raises:
        PlatformError: TikTok has given the upload up; the next one begins anew.
    """
    handles = publication.handles
    try:
        status = await api.status(str(handles["publish_id"]))
    except UploadGone:
        if "closing" not in handles:
            await forget(publication)
        raise
    if status.status == "FAILED":
        await forget(publication)
        raise given_up("sending the video", status)
    cut = plan(file.size)
    if is_complete(status, file):
        await remember(publication, accepted=True)
    elif status.uploaded_bytes is not None:
        sent = cut.whole(status.uploaded_bytes)
        if sent != handles.get("sent"):
            await remember(publication, sent=sent)


def is_complete(status: Status, file: MediaFile) -> bool:
    """Whether TikTok has the whole video, so that it will be published."""
    if status.status != "PROCESSING_UPLOAD":
        return True
    return status.uploaded_bytes is not None and status.uploaded_bytes >= file.size


def is_over(publication: Publication) -> bool:
    """Whether the upload's hour has passed for sure, so that nobody can complete it."""
    begun = publication.handles.get("begun")
    return isinstance(begun, float) and now().timestamp() - begun > LIFE.total_seconds() + 60


async def send_all_but_last(api: Api, publication: Publication, file: MediaFile) -> None:
    """Send what is missing; each chunk is stored before the next one."""
    handles, cut = publication.handles, plan(file.size)
    sent = handles.get("sent")
    for index in range(sent if isinstance(sent, int) else 0, cut.last):
        url = str(handles["upload_url"])
        try:
            await api.send(url, file, cut[index], last=False, deadline=CHUNK_DEADLINE)
        except UploadGone:
            if "closing" not in handles:
                await forget(publication)
            raise
        await remember(publication, sent=index + 1)


async def send_last(
    api: Api, publication: Publication, file: MediaFile, deadline: timedelta
) -> None:
    """Send the last chunk, which publishes the video.

    Raises:
        Ambiguous: it may have arrived.
        PlatformError: it has not.
    """
    handles, cut = publication.handles, plan(file.size)
    repeated = "closing" in handles
    await remember(publication, closing=True)
    url, seconds = str(handles["upload_url"]), deadline.total_seconds()
    try:
        await api.send(url, file, cut[cut.last], last=True, deadline=seconds)
    except Ambiguous:
        raise
    except PlatformError as error:
        if repeated and isinstance(error, Transient):
            # An earlier one may have arrived after all, and ended the upload.
            raise Ambiguous(f"{error.message}; the post may be there") from error
        if not repeated:
            del handles["closing"]
            await publication.save(dict(handles))
        if isinstance(error, UploadGone):
            await forget(publication)
        raise
