"""Old posts that nobody cared for are archived, or deleted."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audit import note
from service.community import cleanup_queries as queries
from service.community.models import CommunityPass, FeedPost
from service.community.pass_queries import Looked
from service.community.passing import Plan, Tell, work_through
from service.db.session import UnitOfWork
from service.kit.clock import now
from service.queue.headers import HEADERS
from service.runtime import Runtime

LOOK = 5_000
"""Posts that are looked at together."""
CHANGE = {"archive": 1_000, "delete": 250}
"""Posts that one transaction locks; more goes with a post than is archived."""
ACTS = {"archive": queries.archive, "delete": queries.delete}
BY_ITSELF = "schedule:community.clean_posts"

Mode = Literal["archive", "delete"]


async def clean_posts(runtime: Runtime, tell: Tell, *, dry_run: bool, mode: Mode) -> dict[str, int]:
    """Archive or delete old posts, and note it in the audit log.

    Args:
        runtime: of the process.
        tell: told which part is done.
        dry_run: only count.
        mode: `delete` also takes what was archived before.

    Returns:
        How many were `found`, `archived` and `deleted`.
    """
    archived_too = mode == "delete"
    if dry_run:
        async with runtime.unit_of_work() as uow:
            found = await queries.count_old(uow.session, now(), archived_too=archived_too)
        return {"found": found, "archived": 0, "deleted": 0}

    async def look(session: AsyncSession, this: CommunityPass) -> list[Looked]:
        at = this.started_at
        return await queries.old_posts(session, this.after_id, LOOK, at, archived_too=archived_too)

    async def act(uow: UnitOfWork, this: CommunityPass, ids: Sequence[UUID]) -> int:
        gone = await ACTS[mode](uow.session, ids, this.started_at)
        if gone:
            actor = HEADERS.get().get("actor") or BY_ITSELF
            await note(uow.session, actor, f"feed.{mode}_old", "feed", posts=gone)
        return gone

    plan = Plan(f"community.clean_posts.{mode}", FeedPost, look, act, CHANGE[mode])
    counted = await work_through(runtime, plan, tell)
    done = {"archived": 0, "deleted": 0, f"{mode}d": counted.changed}
    return {"found": counted.changed, **done}
