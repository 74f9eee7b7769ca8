"""A comment below a video, written at most once.

YouTube knows no key for comments. When a comment began to be written is stored first; after a lost
answer the newest comments are looked through, and only when the comment cannot be among them any
more is it written again.
"""

from datetime import datetime, timedelta

from service.kit.clock import now
from service.platforms.contract import Absent, Publication, Published, Unknown, Wait
from service.platforms.failures import Ambiguous, PlatformError, Rejected, Transient
from service.platforms.youtube.api import COMMENTS, Api
from service.platforms.youtube.models import SITE, Thread

LAG = timedelta(seconds=60)
"""How long a comment may be there without being listed."""
CLOCK_SKEW = timedelta(minutes=2)


def video_id(publication: Publication) -> str:
    """Return the video that is commented on."""
    if publication.reply_to is None:
        raise Rejected("YouTube, commenting: there is no video to comment on")
    return publication.reply_to.remote_id


async def settle(api: Api, publication: Publication) -> Wait | None:
    """Find out about an earlier call whose answer was lost; None when committing is safe."""
    handles = publication.handles
    if "commenting" not in handles or "comment" in handles:
        return None
    found = await find(api, publication)
    if isinstance(found, Published):
        handles["comment"] = found.remote_id
    elif isinstance(found, Unknown):
        raise Rejected(f"YouTube, looking for the comment: {found.reason}; look there yourself")
    else:
        left = _begun(publication) + LAG - now()
        if left > timedelta(0):
            reason = "Waiting to see whether an unanswered comment came through"
            return Wait(left.total_seconds(), reason)
        del handles["commenting"]
    await publication.save(dict(handles))
    return None


async def write(api: Api, publication: Publication, deadline: timedelta) -> Published:
    """Write the comment, unless an earlier call has.

    Raises:
        Transient: an earlier call is not settled yet.
        Ambiguous: the answer was lost.
    """
    handles = publication.handles
    if wait := await settle(api, publication):
        raise Transient(wait.reason)
    if "comment" not in handles:
        handles["commenting"] = now().isoformat()
        await publication.save(dict(handles))
        try:
            text = publication.content.full_text
            handles["comment"] = await api.comment(video_id(publication), text, deadline)
        except Ambiguous:
            raise
        except PlatformError:
            del handles["commenting"]
            await publication.save(dict(handles))
            raise
        await publication.save(dict(handles))
    return _published(publication, str(handles["comment"]))


async def find(api: Api, publication: Publication) -> Published | Absent | Unknown:
    """Look for the comment among the newest ones below the video."""
    handles = publication.handles
    if "comment" in handles:
        return _published(publication, str(handles["comment"]))
    if "commenting" not in handles:
        return Absent()
    since = _begun(publication) - CLOCK_SKEW
    threads = await api.threads(video_id(publication))
    for thread in threads:
        if _is_same(thread, publication, since):
            return _published(publication, thread.id)
    if len(threads) >= COMMENTS and threads[-1].comment.published_at >= since:
        return Unknown(f"more than {COMMENTS} comments have been written since the attempt")
    return Absent()


def _begun(publication: Publication) -> datetime:
    return datetime.fromisoformat(str(publication.handles["commenting"]))


def _is_same(thread: Thread, publication: Publication, since: datetime) -> bool:
    comment, channel = thread.comment, publication.destination.session.get("channel_id")
    if comment.published_at < since or comment.author_channel_id.value != channel:
        return False
    wanted = publication.content.full_text.split()
    return wanted in (comment.text_original.split(), comment.text_display.split())


def _published(publication: Publication, comment: str) -> Published:
    url = f"{SITE}/watch?v={video_id(publication)}&lc={comment}"
    return Published(comment, url, {"comment": True})
