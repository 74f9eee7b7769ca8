"""From content to a container that can be published: made, waited for, and made anew if need be."""

from datetime import datetime, timedelta

from service.kit.clock import now
from service.platforms.contract import Publication
from service.platforms.failures import PlatformError, RateLimited, Rejected, Transient
from service.platforms.meta.graph import ContainerGone, Missing
from service.platforms.threads import content as threads_content
from service.platforms.threads.api import NAME, Api, Container

QUOTA_WAIT = timedelta(hours=1)
"""How long to wait for a place in the publishing limit, which moves along with the clock."""
PASSING = ("FAILED_DOWNLOADING_VIDEO", "FAILED_PROCESSING_AUDIO", "FAILED_PROCESSING_VIDEO")
"""Errors that another attempt may not meet."""


async def remember(publication: Publication, **handles: object) -> None:
    """Store more handles."""
    publication.handles.update(handles)
    await publication.save(dict(publication.handles))


async def forget(publication: Publication) -> None:
    """Drop all containers, so that they are made anew."""
    publication.handles.clear()
    await publication.save({})


async def require_quota(api: Api, user_id: str, *, replies: bool) -> None:
    """Ask whether one more may be published now.

    Raises:
        RateLimited: no.
    """
    quota = await api.quota(user_id, replies=replies)
    if quota is None or quota.used < quota.total:
        return
    what = "replies" if replies else "posts"
    text = (
        f"{NAME}, preparing the post: the account has published {quota.used} {what} in "
        f"{quota.seconds // 3600} hours, and no more than {quota.total} are allowed"
    )
    raise RateLimited(text, until=now() + QUOTA_WAIT)


async def make(api: Api, user_id: str, publication: Publication) -> None:
    """Make what is missing: each of several media, and once all are ready what binds them."""
    content, answered = publication.content, publication.reply_to
    reply_to = None if answered is None else answered.remote_id
    if len(content.media) < 2:
        parameters = threads_content.single(content, reply_to)
    elif await _items_ready(api, user_id, publication):
        children = [str(publication.handles[f"item:{file.id}"]) for file in content.media]
        parameters = threads_content.carousel(content, children, reply_to)
    else:
        return
    try:
        container = await api.make_container(user_id, parameters)
    except ContainerGone:
        await forget(publication)
        raise
    await remember(publication, container=container)


async def _items_ready(api: Api, user_id: str, publication: Publication) -> bool:
    handles = publication.handles
    for file in publication.content.media:
        if (name := f"item:{file.id}") not in handles:
            made = await api.make_container(user_id, threads_content.child(file))
            await remember(publication, **{name: made})
    for file in publication.content.media:
        if f"ready:{file.id}" in handles:
            continue
        if await status(api, publication, str(handles[f"item:{file.id}"])) == "IN_PROGRESS":
            return False
        await remember(publication, **{f"ready:{file.id}": True})
    return True


async def status(api: Api, publication: Publication, container_id: str) -> str:
    """Return IN_PROGRESS, FINISHED or PUBLISHED.

    Raises:
        PlatformError: it will never be ready; all containers are forgotten.
    """
    try:
        container = await api.container(container_id)
    except (Missing, ContainerGone):
        container = Container("EXPIRED")
    if (failed := failure(container)) is not None:
        await forget(publication)
        raise failed
    return container.status


def failure(container: Container) -> PlatformError | None:
    """Return why a container will never be a post, if so."""
    says = f"{NAME}, asking for the prepared post"
    if container.status == "EXPIRED":
        return ContainerGone(f"{says}: it has expired; it will be prepared anew")
    if container.status != "ERROR":
        return None
    reason = container.error_message or "no reason given"
    if reason in PASSING:
        return Transient(f"{says}: {reason}; check that Almanac's public URL can be reached")
    if reason.startswith("INVALID"):
        return Rejected(f"{says}: {reason}; convert the video")
    return Transient(f"{says}: {reason}; it will be prepared anew")


def is_older(since: object, span: timedelta) -> bool:
    """Whether an instant, as it is stored, is so long ago."""
    return now() - datetime.fromisoformat(str(since)) >= span
