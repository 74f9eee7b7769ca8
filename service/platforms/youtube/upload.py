"""A video and its thumbnail on their way to YouTube, where nobody sees them yet."""

from service.platforms.contract import Publication, Wait
from service.platforms.failures import Rejected, Transient
from service.platforms.resumable import SessionGone
from service.platforms.youtube.api import Api
from service.platforms.youtube.video import chosen, resource, thumbnail_of, video_of

PROCESSING_WAIT = 20.0


async def upload(api: Api, publication: Publication) -> None:
    """Bring the video there once, from where an earlier run was stopped."""
    content, handles = publication.content, publication.handles
    file = video_of(content.media)
    if "video" in handles:
        return
    if file is None:
        raise Rejected("YouTube, uploading the video: the post has none")
    resume = "session" in handles
    if not resume:
        notify = chosen(content, "notify_subscribers") is not False
        handles["session"] = await api.begin(file, resource(content), notify=notify)
        await publication.save(dict(handles))

    async def progressed(received: int) -> None:
        handles["received"] = received
        await publication.save(dict(handles))

    try:
        video = await api.upload(str(handles["session"]), file, progressed, resume=resume)
    except SessionGone:
        await _forget_session(publication)
        raise
    handles["video"] = video
    await _forget_session(publication)


async def _forget_session(publication: Publication) -> None:
    publication.handles.pop("session", None)
    publication.handles.pop("received", None)
    await publication.save(dict(publication.handles))


async def set_thumbnail(api: Api, publication: Publication) -> None:
    """Upload the image, if there is one, once."""
    handles, image = publication.handles, thumbnail_of(publication.content.media)
    if image is None or "thumbnail" in handles:
        return
    await api.set_thumbnail(str(handles["video"]), image)
    handles["thumbnail"] = True
    await publication.save(dict(handles))


async def processed(api: Api, publication: Publication) -> Wait | None:
    """Ask whether YouTube has processed the video.

    Raises:
        Rejected: YouTube cannot use the file, or does not want it.
        Transient: the video is not there.
    """
    handles = publication.handles
    if "processed" in handles:
        return None
    video = await api.video(str(handles["video"]), "status")
    if video is None:
        raise Transient("YouTube, processing: the uploaded video is not there, or not yet")
    status = video.status
    if status.upload_status == "uploaded":
        return Wait(PROCESSING_WAIT, "YouTube is still processing the video")
    if status.upload_status != "processed":
        reason = status.failure_reason or status.rejection_reason or "it gives no reason"
        text = f"the video is {status.upload_status}: {reason}; use another file"
        raise Rejected(f"YouTube, processing: {text}")
    handles["processed"] = True
    await publication.save(dict(handles))
    return None
