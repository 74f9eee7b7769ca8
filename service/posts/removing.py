"""Taking a post back: asked for by a person, done by a job for each delivery that is out."""

import logging
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from service.accounts import queries as accounts_queries
from service.accounts import refreshing
from service.accounts.queries import AccountState
from service.errors import Conflict
from service.platforms import sandbox
from service.platforms.contract import Platform, Reference, Wait
from service.platforms.failures import AuthFailed, Rejected, TokenExpired
from service.posts import jobs, moving, publishing, removal_queries
from service.posts.desk import Desk
from service.posts.models import Delivery, DeliveryState, Post
from service.runtime import Runtime

log = logging.getLogger(__name__)


async def withdraw(desk: Desk, post_id: UUID) -> Post:
    """Have everything of a post that is out removed where the platform lets an app do that.

    Of each other delivery `removal_error` says that a person must do it there.

    Raises:
        NotFound: the caller has no such post.
        Conflict: nothing of it is out.
    """
    post = await moving.found(desk, post_id)
    out = [d for d in (*post.deliveries, *post.follow_ups) if _is_out(d)]
    if not out:
        raise Conflict("Nothing of this post is out")
    local_accounts = await accounts_queries.local_ids(
        desk.session, [delivery.account_id for delivery in out]
    )
    for delivery in out:
        local = delivery.account_id in local_accounts
        platform = sandbox.adapter(desk.platforms, delivery.platform, local=local)
        if is_removable(platform, delivery.remote_id):
            delivery.removal_error = None
            desk.uow.enqueue(jobs.remove_call(delivery.id))
        else:
            delivery.removal_error = f"{platform.title} lets no app remove a post: remove it there"
    await desk.session.flush()
    return post


def is_removable(platform: Platform, remote_id: str | None) -> bool:
    """Whether an app may remove what this platform knows by an id; else a person must."""
    return platform.deletes and bool(remote_id)


def _is_out(delivery: Delivery) -> bool:
    return delivery.state == DeliveryState.PUBLISHED and delivery.removed_at is None


async def remove(runtime: Runtime, delivery_id: UUID) -> Wait | None:
    """Remove one delivery from its platform; Wait: its account's tokens are being renewed.

    What the platform refuses for good is noted at the delivery.

    Raises:
        PlatformError: it may work another time.
    """
    rows = await runtime.database.execute(removal_queries.FIND, {"delivery": delivery_id})
    if not rows:
        return None
    row = rows[0]
    if row.account_state != AccountState.ACTIVE:
        text = "The account must be connected again first"
        values = {"delivery": delivery_id, "error_text": text}
        await runtime.database.execute(removal_queries.NOTE_ERROR, values)
        return None
    platform = sandbox.adapter(runtime.platforms, row.platform, local=row.local)
    try:
        if wait := await _delete(runtime, platform, row):
            return wait
    except (Rejected, AuthFailed) as error:
        values = {"delivery": delivery_id, "error_text": error.message}
        await runtime.database.execute(removal_queries.NOTE_ERROR, values)
        return None
    await runtime.database.execute(removal_queries.NOTE_REMOVAL, {"delivery": delivery_id})
    log.info("removed from %s", platform.name, extra={"delivery": str(delivery_id)})
    return None


async def _delete(runtime: Runtime, platform: Platform, row: Row[Any]) -> Wait | None:
    destination = publishing.destination(runtime, row)
    post = Reference(row.remote_id, row.details)
    if wait := await refreshing.renew(runtime, platform, destination, refused=False):
        return wait
    try:
        await platform.delete(destination, post)
    except TokenExpired:
        if wait := await refreshing.renew(runtime, platform, destination, refused=True):
            return wait
        await platform.delete(destination, post)
    return None
