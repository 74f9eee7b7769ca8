"""How far a pass over a table is: a row for each job, written with every batch of it.

A pass reads in the order of ids and never holds more than one batch; when its run is stopped or
killed, the next run goes on after the last batch that was committed.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.models import CommunityPass
from service.db.base import Row

START = UUID(int=0)
"""Below every id."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A row that something is to be done with, or the last one of those that were looked at.

    Attributes:
        id: of the row.
        number: how many were looked at up to here.
        found: whether something is to be done.
    """

    id: UUID
    number: int
    found: bool


async def begin(
    session: AsyncSession, job: str, now: datetime, unfinished_since: datetime, total: int
) -> None:
    """Begin a pass, unless one is unfinished that began after `unfinished_since`.

    Args:
        session: of the transaction.
        job: name of the job whose pass it is.
        now: when it begins.
        unfinished_since: what began before is not taken up again.
        total: rows that there are, for its progress.
    """
    fresh = {
        "started_at": now,
        "finished_at": None,
        "after_id": START,
        "total": total,
        "seen": 0,
        "changed": 0,
    }
    statement = insert(CommunityPass).values(job=job, **fresh)
    over = (CommunityPass.finished_at.is_not(None)) | (CommunityPass.started_at < unfinished_since)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["job"], set_=fresh, where=over)
    )


async def hold(session: AsyncSession, job: str) -> CommunityPass:
    """Return the pass of a job; no other run moves it until the transaction ends."""
    statement = select(CommunityPass).where(CommunityPass.job == job).with_for_update()
    return (await session.scalars(statement)).one()


async def count(session: AsyncSession, table: type[Row]) -> int:
    """Return how many rows a table has."""
    return (await session.scalar(select(func.count()).select_from(table))) or 0


def looking(rows: str) -> TextClause:
    """Return the statement that looks at the next rows.

    Args:
        rows: selects `id` and whether the row is `found`, up to `look` rows after the id `after`,
            by ascending id.
    """
    return text(f"""
        SELECT id, number, found FROM (
            SELECT id, found, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS all_of
            FROM ({rows}) AS looked
        ) AS numbered
        WHERE found OR number = all_of ORDER BY id
    """)  # noqa: S608 - put together from constants


async def look(session: AsyncSession, statement: TextClause, **values: object) -> list[Looked]:
    """Run a statement of `looking`; at the end of the table nothing is left."""
    return [Looked(*row) for row in await session.execute(statement, values)]
