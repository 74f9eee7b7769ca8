"""From media to a container that can be published: made, waited for, and made anew if need be."""

from datetime import timedelta

from service.kit.clock import now
from service.platforms.contract import Publication
from service.platforms.failures import RateLimited
from service.platforms.instagram import content as instagram_content
from service.platforms.instagram.api import Api
from service.platforms.instagram.models import NAME, Container
from service.platforms.meta.graph import ContainerGone, Missing

QUOTA_WAIT = timedelta(hours=1)
"""How long to wait for a place in the publishing limit, which moves along with the clock."""


async def require_quota(api: Api, user_id: str) -> None:
    """Ask whether one more post may be published now.

    Raises:
        RateLimited: no.
    """
    quota = await api.quota(user_id)
    if quota is None or quota.quota_usage < quota.config.quota_total:
        return
    text = (
        f"{NAME}, uploading the media: the account has published {quota.quota_usage} posts in "
        f"{quota.config.quota_duration // 3600} hours, and no more than "
        f"{quota.config.quota_total} are allowed"
    )
    raise RateLimited(text, until=now() + QUOTA_WAIT)


async def make(api: Api, user_id: str, publication: Publication) -> None:
    """Make what is still missing: each item, and once all are ready what binds them together."""
    handles, content = publication.handles, publication.content
    if len(content.media) == 1:
        parameters = instagram_content.single(content)
    elif await _items_ready(api, user_id, publication):
        children = [str(handles[f"container:{file.id}"]) for file in content.media]
        parameters = instagram_content.carousel(content, children)
    else:
        return
    handles["container"] = await api.make_container(user_id, parameters)
    await publication.save(dict(handles))


async def _items_ready(api: Api, user_id: str, publication: Publication) -> bool:
    handles = publication.handles
    for file in publication.content.media:
        if f"container:{file.id}" not in handles:
            parameters = instagram_content.child(file)
            handles[f"container:{file.id}"] = await api.make_container(user_id, parameters)
            await publication.save(dict(handles))
    for file in publication.content.media:
        if f"finished:{file.id}" in handles:
            continue
        if await status(api, publication, str(handles[f"container:{file.id}"])) == "IN_PROGRESS":
            return False
        handles[f"finished:{file.id}"] = True
        await publication.save(dict(handles))
    return True


async def status(api: Api, publication: Publication, container_id: str) -> str:
    """Return IN_PROGRESS, FINISHED or PUBLISHED.

    Raises:
        PlatformError: it will never be ready; all containers are forgotten, to be made anew.
    """
    try:
        container = await api.container(container_id)
    except Missing:
        container = Container("EXPIRED")
    if container.status_code == "EXPIRED":
        await _forget(publication)
        text = f"{NAME}, asking for the upload: it has expired; it will be uploaded again"
        raise ContainerGone(text)
    if container.status_code == "ERROR":
        await _forget(publication)
        raise container.failure()
    return container.status_code


async def _forget(publication: Publication) -> None:
    publication.handles.clear()
    await publication.save({})
