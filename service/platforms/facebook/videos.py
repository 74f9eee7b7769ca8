"""A video's or a reel's way to a Page: uploaded unseen, published by one call, then processed.

The video has its id before any byte is sent, and publishing it again is publishing the same video:
so a commit whose answer was lost may be repeated.
"""

from service.platforms.contract import (
    Absent,
    Found,
    MediaFile,
    Publication,
    Published,
    Refused,
    Wait,
)
from service.platforms.facebook.content import kind_of, text_of
from service.platforms.facebook.models import NAME
from service.platforms.facebook.video_api import VideoApi
from service.platforms.facebook.video_models import Upload, Video
from service.platforms.failures import Rejected
from service.platforms.http import Step
from service.platforms.meta.graph import ContainerGone
from service.platforms.uploads import opened

POLL = 10.0
PROCESSING = Wait(POLL, f"{NAME} is still processing the video")
WEBSITE = "https://www.facebook.com"


def _file(publication: Publication) -> MediaFile:
    return next(file for file in publication.content.media if file.is_video)


async def upload(api: VideoApi, publication: Publication) -> None:
    """Upload what Facebook does not have yet; how far it came is stored after each piece."""
    if "uploaded" in publication.handles:
        return
    try:
        if kind_of(publication.content) == "reel":
            await _upload_reel(api, publication)
        else:
            await _upload_video(api, publication)
    except ContainerGone:
        await _forget(publication)
        raise
    publication.handles["uploaded"] = True
    await publication.save(dict(publication.handles))


async def _upload_video(api: VideoApi, publication: Publication) -> None:
    handles, file = publication.handles, _file(publication)
    if "session" not in handles:
        begun = await api.start(file.size)
        handles |= {"video": begun.video_id, "session": begun.upload_session_id}
        await _note(publication, begun)
    wanted = Upload(str(handles["start"]), str(handles["end"]))
    async with opened(Step(NAME, "uploading the video"), file) as handle:
        while wanted.start_offset != wanted.end_offset:
            wanted = await api.transfer(str(handles["session"]), wanted, handle)
            await _note(publication, wanted)


async def _note(publication: Publication, wanted: Upload) -> None:
    publication.handles |= {"start": wanted.start_offset, "end": wanted.end_offset}
    await publication.save(dict(publication.handles))


async def _upload_reel(api: VideoApi, publication: Publication) -> None:
    handles, file = publication.handles, _file(publication)
    offset = 0
    if "video" not in handles:
        handles["video"] = await api.start_reel()
    else:
        offset = (await api.video(str(handles["video"]))).uploaded
    if handles.get("start") != str(offset):
        handles["start"] = str(offset)
        await publication.save(dict(handles))
    if offset >= file.size:
        return
    async with opened(Step(NAME, "uploading the reel"), file) as handle:
        await api.send_reel(str(handles["video"]), file, handle, offset)


async def publish(api: VideoApi, publication: Publication, deadline: float) -> Published | Wait:
    """Publish the uploaded video. Facebook goes on processing it, and shows it then."""
    handles = publication.handles
    description = text_of(publication.content)
    if "finished" not in handles:
        try:
            if kind_of(publication.content) == "reel":
                await api.finish_reel(str(handles["video"]), description, deadline)
            else:
                await api.finish(str(handles["session"]), description, deadline)
        except ContainerGone:
            if "looked" not in handles:
                await _forget(publication)
            raise
        handles["finished"] = True
        await publication.save(dict(handles))
        return PROCESSING
    found = await outcome(api, publication)
    if isinstance(found, Published | Wait):
        return found
    reason = found.reason if isinstance(found, Refused) else "it is gone"
    raise Rejected(f"{NAME}, processing the video: {reason}")


async def processing(api: VideoApi, publication: Publication) -> Wait | None:
    """Tell whether a video that is to be published is still being worked on."""
    if "finished" not in publication.handles:
        return None
    found = await outcome(api, publication)
    return found if isinstance(found, Wait) else None


async def outcome(api: VideoApi, publication: Publication) -> Found:
    """Read what became of a video that may have been published."""
    if "video" not in publication.handles:
        return Absent()
    video = await api.video(str(publication.handles["video"]))
    if video.visible:
        return _published(video, kind_of(publication.content))
    if video.fault is not None:
        return Refused(video.fault)
    busy = "in_progress" in (
        video.status.processing_phase.status,
        video.status.publishing_phase.status,
    )
    return PROCESSING if busy or "finished" in publication.handles else Absent()


def _published(video: Video, kind: str) -> Published:
    link = video.permalink_url
    url = f"{WEBSITE}{link}" if link and link.startswith("/") else link
    return Published(video.id, url, details={"kind": kind})


async def _forget(publication: Publication) -> None:
    publication.handles.clear()
    await publication.save({})
