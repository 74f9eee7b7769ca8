"""Working through a table: looked at in large batches, changed in small transactions.

Looking locks nothing. Each part of what is found is changed in a transaction of its own, which also
writes down how far the pass is: a run that is stopped or killed anywhere is gone on with by the
next, and two at once share the work.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.community import pass_queries
from service.community.models import CommunityPass
from service.community.pass_queries import Looked
from service.db.base import Row
from service.db.session import UnitOfWork
from service.kit.clock import now
from service.runtime import Runtime

UNFINISHED_FOR = timedelta(hours=6)
"""A pass that began earlier is not taken up again: what it has read is too old."""

Tell = Callable[[float], None]
"""Told which part of a job is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass does.

    Attributes:
        job: name of the job whose pass it is.
        table: what it goes over.
        look: returns the next rows that something is to be done with.
        act: does it with these of them, and returns how many it has changed.
        most: rows that are changed in one transaction.
    """

    job: str
    table: type[Row]
    look: Callable[[AsyncSession, CommunityPass], Awaitable[list[Looked]]]
    act: Callable[[UnitOfWork, CommunityPass, Sequence[UUID]], Awaitable[int]]
    most: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a whole pass came to, the runs before it included that were stopped."""

    seen: int
    changed: int


async def work_through(runtime: Runtime, plan: Plan, tell: Tell) -> Counted:
    """Take a pass over a table to its end, from where it is.

    Args:
        runtime: of the process.
        plan: what is done.
        tell: told after each transaction how far the pass is.
    """
    async with runtime.unit_of_work() as uow:
        moment = now()
        total = await pass_queries.count(uow.session, plan.table)
        await pass_queries.begin(uow.session, plan.job, moment, moment - UNFINISHED_FOR, total)
    while True:
        async with runtime.unit_of_work() as uow:
            this = await pass_queries.hold(uow.session, plan.job)
            rows = [] if this.finished_at else await plan.look(uow.session, this)
            if not rows:
                this.finished_at = this.finished_at or now()
        if not rows:
            tell(1)
            return Counted(this.seen, this.changed)
        await _act(runtime, plan, this.after_id, rows, tell)


async def _act(
    runtime: Runtime, plan: Plan, after: UUID, rows: Sequence[Looked], tell: Tell
) -> None:
    """Change what was found, part by part; stop where another run has gone on."""
    number = 0
    for begin in range(0, len(rows), plan.most):
        part = rows[begin : begin + plan.most]
        found = [row.id for row in part if row.found]
        async with runtime.unit_of_work() as uow:
            this = await pass_queries.hold(uow.session, plan.job)
            if this.after_id != after or this.finished_at:
                return
            this.changed += await plan.act(uow, this, found) if found else 0
            this.seen += part[-1].number - number
            this.after_id = after = part[-1].id
        number = part[-1].number
        tell(this.seen / max(this.total, this.seen))
