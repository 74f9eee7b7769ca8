"""SQL of imports: which keys are known, what became of them, and the tables of old systems."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

from asyncpg import PostgresError
from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from service.errors import Unavailable
from service.kit.records import Record
from service.posts.models import Delivery, ImportedPost, Post

LOCK = 0x616C6D70
"""Of the advisory lock that imports of one owner take in turn."""
ALL_OF_THE_OLD = "SELECT * FROM scheduled_posts ORDER BY id"
"""The table that the five systems had which Almanac replaces."""


async def wait_for_others(session: AsyncSession, owner_id: UUID) -> None:
    """Let no other import of this owner go on until the transaction ends."""
    lock = func.pg_advisory_xact_lock(LOCK, func.hashtext(str(owner_id)))
    await session.execute(select(lock))


async def known_keys(session: AsyncSession, owner_id: UUID, keys: Collection[str]) -> set[str]:
    """Return those of these keys under which something was imported."""
    found = await session.scalars(
        select(ImportedPost.import_key).where(
            ImportedPost.owner_id == owner_id, ImportedPost.import_key.in_(keys)
        )
    )
    return set(found)


async def remember(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Note the keys of posts that are stored."""
    if rows:
        await session.execute(insert(ImportedPost), [dict(row) for row in rows])


async def imported(
    session: AsyncSession, owner_id: UUID, keys: Collection[str]
) -> Mapping[str, Row[Any]]:
    """Return what was imported under these keys: text, time and platforms of each."""
    platforms = (
        select(func.array_agg(Delivery.platform))
        .where(Delivery.post_id == Post.id, Delivery.position == 0)
        .scalar_subquery()
    )
    found = await session.execute(
        select(ImportedPost.import_key, Post.text, Post.publish_at, platforms.label("platforms"))
        .join(Post, Post.id == ImportedPost.post_id)
        .where(ImportedPost.owner_id == owner_id, ImportedPost.import_key.in_(keys))
    )
    return {row.import_key: row for row in found}


class OldTable:
    """The posts of another system, read and never written.

    Args:
        connection: in a read-only transaction.
        query: what to read.
    """

    def __init__(self, connection: AsyncConnection, query: str) -> None:
        self._connection, self._query = connection, query.strip().rstrip(";")

    async def count(self) -> int:
        """Return how many rows there are."""
        statement = text(f"SELECT count(*) FROM ({self._query}) AS wanted")  # noqa: S608 - the operator's own query, in a read-only transaction
        with _told():
            return int(await self._connection.scalar(statement) or 0)

    async def batches(self, size: int) -> AsyncIterator[list[Record]]:
        """Yield the rows in order, so many at a time, each as a record with its number."""
        number = 0
        with _told():
            found = self._connection.stream(text(self._query))
        async with found as result:
            async for rows in result.mappings().partitions(size):
                records = []
                for row in rows:
                    number += 1
                    records.append(Record(number, {k.lower(): v for k, v in row.items()}))
                yield records


@asynccontextmanager
async def old_table(url: str, query: str | None) -> AsyncIterator[OldTable]:
    """Open the database of another system for reading only.

    Args:
        url: `postgresql://…`.
        query: what to read; None: `scheduled_posts` as it is.
    """
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        hide_parameters=True,
        execution_options={"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"},
    )
    try:
        with _told():
            connection = await engine.connect()
        async with aclosing(connection):
            yield OldTable(connection, query or ALL_OF_THE_OLD)
    finally:
        await engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """Say whose database has failed: not ours."""
    try:
        yield
    except (OSError, DBAPIError, PostgresError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        what = str(cause).rpartition(">: ")[2]
        raise Unavailable(f"The old system's database: {what}") from error
