"""A post's images and video on their way to Bluesky, each step of it stored as it is done.

Handles: `blob:<id>` is what a record refers to a file by, `job:<id>` a video that the video service
is working on.
"""

from service.platforms.bluesky.api import Api
from service.platforms.bluesky.sessions import Session
from service.platforms.bluesky.video import JobGone, VideoService
from service.platforms.contract import MediaFile, Publication


async def send(
    publication: Publication,
    file: MediaFile,
    api: Api,
    session: Session,
    videos: VideoService | None,
) -> None:
    """Upload a file that has not been uploaded yet.

    Args:
        api: the account's server, with its token.
        session: the account's.
        videos: where the file goes instead of the account's server.
    """
    handles = publication.handles
    if videos is None:
        handles[f"blob:{file.id}"] = await api.upload(file)
    else:
        job = await videos.upload(api, session.did, session.pds or api.server, file)
        if job.blob is None:
            handles[f"job:{file.id}"] = job.job_id
        else:
            handles[f"blob:{file.id}"] = job.blob
    await publication.save(dict(handles))


def is_sent(publication: Publication, file: MediaFile) -> bool:
    """Tell whether a file has been uploaded, though it may still be processed."""
    return bool({f"blob:{file.id}", f"job:{file.id}"} & publication.handles.keys())


async def is_ready(publication: Publication, file: MediaFile, videos: VideoService) -> bool:
    """Ask whether an uploaded file is ready.

    Raises:
        JobGone: it must be uploaded again, and the next `prepare` does so.
        Rejected: it cannot be processed.
    """
    handles, name = publication.handles, f"job:{file.id}"
    if name not in handles:
        return True
    try:
        job = await videos.status(str(handles[name]))
    except JobGone:
        del handles[name]
        await publication.save(dict(handles))
        raise
    if job.blob is None:
        return False
    del handles[name]
    handles[f"blob:{file.id}"] = job.blob
    await publication.save(dict(handles))
    return True


def blobs(publication: Publication) -> list[object]:
    """Return what the record refers to the files by, in their order."""
    return [publication.handles[f"blob:{file.id}"] for file in publication.content.media]
