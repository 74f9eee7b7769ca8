"""What is counted of the community, its clean-up and its mails: jobs of several queues."""

from datetime import date
from typing import Literal
from uuid import UUID

from service.community import cleaning, counting, digests, letters, mail_actions
from service.community.passing import Tell
from service.runtime import Runtime
from workers.engine import Context
from workers.progress import progress


def _teller(ctx: Context, text: str) -> Tell:
    return lambda part: progress(ctx, part, 1, text)


async def update_statistics(ctx: Context) -> dict[str, int]:
    """Count the followers, the followed and the posts of every member."""
    counted = await counting.update_statistics(ctx["runtime"], _teller(ctx, "counting"))
    return {"members": counted.seen, "changed": counted.changed}


async def update_scores(ctx: Context) -> dict[str, int]:
    """Score every post."""
    counted = await counting.update_scores(ctx["runtime"], _teller(ctx, "scoring posts"))
    return {"posts": counted.seen, "changed": counted.changed}


async def update_trending(ctx: Context) -> dict[str, int]:
    """Flag the hashtags that trend."""
    return await counting.update_trending(ctx["runtime"])


async def clean_posts(
    ctx: Context, *, dry_run: bool = True, mode: Literal["archive", "delete"] = "archive"
) -> dict[str, int]:
    """Archive or delete old posts that nobody cared for."""
    tell = _teller(ctx, "looking for old posts")
    return await cleaning.clean_posts(ctx["runtime"], tell, dry_run=dry_run, mode=mode)


async def analyse_day(ctx: Context, day: date | None = None) -> dict[str, int]:
    """Count what happened on a day."""
    return await counting.analyse_day(ctx["runtime"], day)


async def send_digests(ctx: Context) -> dict[str, int]:
    """Mail the week's top posts."""
    counted = await digests.send_digests(ctx["runtime"], _teller(ctx, "writing digests"))
    return {"members": counted.seen, "sent": counted.changed}


async def welcome(ctx: Context, member_id: UUID) -> bool:
    """Mail a new member that they are welcome."""
    runtime: Runtime = ctx["runtime"]
    sender = letters.sender_name(runtime.settings.mail_from)
    async with runtime.unit_of_work() as uow:
        return await mail_actions.welcome(uow, member_id, sender)
