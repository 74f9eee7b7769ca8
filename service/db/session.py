"""The unit of work: one transaction, committed before the reply, its jobs sent after it.

This is the only module that commits.
"""

import asyncio
import time
import types
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Executable, Row, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from service.db import outbox
from service.kit.tasks import end

RETRY_FOR = 10.0
"""Seconds: a restart of PostgreSQL, and less than a claim is held."""
RETRY_PAUSE = 0.2
LOCK_LOOK = 5.0
"""Seconds between two looks whether the connection stands that holds a lock."""
SHUTTING_DOWN = ("57P01", "57P02", "57P03")
"""SQLSTATEs of a server that stops, crashed or starts (PostgreSQL's appendix A)."""


def _is_away(error: DBAPIError | OSError) -> bool:
    """Whether the connection failed, rather than the statement."""
    if isinstance(error, OSError):
        return True
    return error.connection_invalidated or getattr(error.orig, "sqlstate", "") in SHUTTING_DOWN


class Database:
    """The connections of one process.

    Args:
        url: a `postgresql+asyncpg://` URL.
        name: shown in pg_stat_activity, so that every connection names its process.
        pool_size: half of the connections for transactions, opened as needed and kept; there are
            as many for single statements.
    """

    def __init__(self, url: str, *, name: str, pool_size: int = 10) -> None:
        # No overflow: its connections are closed after each use, and opening one costs far more
        # than most statements.
        options: dict[str, Any] = {
            "pool_size": 2 * pool_size,
            "max_overflow": 0,
            "hide_parameters": True,  # errors would quote them
            "connect_args": {"server_settings": {"application_name": name, "jit": "off"}},
        }
        # A transaction cannot be repeated, so its connection is tried first; `execute` repeats.
        self._sessions: AsyncEngine = create_async_engine(url, pool_pre_ping=True, **options)
        self._statements: AsyncEngine = create_async_engine(
            url, isolation_level="AUTOCOMMIT", **options
        )

    def session(self) -> AsyncSession:
        """Open a session; loaded rows stay readable after its end."""
        return AsyncSession(self._sessions, expire_on_commit=False, autoflush=False)

    async def execute(
        self, statement: Executable, values: dict[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Run one statement as its own transaction, in one round trip; return all its rows.

        When PostgreSQL is away it is run again for `RETRY_FOR`, so it must bear a repeat: the reply
        of the first run may be what was lost.
        """
        deadline = time.monotonic() + RETRY_FOR
        while True:
            try:
                async with self._statements.connect() as connection:
                    result = await connection.execute(statement, values)
                    return result.all() if result.returns_rows else []
            except (DBAPIError, OSError) as error:
                if not _is_away(error) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_PAUSE)

    async def alone(self, lock: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work while this process holds an advisory lock; return at once if another does.

        Raises the work's error, or that of the connection when it is lost: then nobody can tell
        whose the lock is, and the work is cancelled.
        """
        async with self._statements.connect() as connection:
            if not await connection.scalar(select(func.pg_try_advisory_lock(lock))):
                return
            working = asyncio.create_task(work())
            try:
                while not working.done():
                    await asyncio.wait([working], timeout=LOCK_LOOK)
                    await connection.scalar(select(1))
                working.result()
            finally:
                await end(working)
                await connection.invalidate()  # its end gives the lock back

    def connections(self) -> dict[str, tuple[int, int]]:
        """Return how many connections are busy and idle: for transactions, for statements."""
        pools = {"transactions": self._sessions.pool, "statements": self._statements.pool}
        return {
            kind: (pool.checkedout(), pool.checkedin())
            for kind, pool in pools.items()
            if isinstance(pool, QueuePool)
        }

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.dispose()
        await self._statements.dispose()


class Prepared(Protocol):
    """Jobs that are to be sent after a commit."""

    @property
    def rows(self) -> Sequence[dict[str, Any]]:
        """Rows of `durable_jobs` to be committed with the rest."""
        ...


P = TypeVar("P", bound=Prepared)


class Sender(Protocol[P]):
    """Puts job calls on their queues."""

    def named(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Return the calls, each with the id of its job."""
        ...

    def prepare(self, calls: Sequence[Any]) -> P:
        """Write calls down; an error it raises rolls the transaction back."""
        ...

    def sending(self, calls: Sequence[Any]) -> AbstractContextManager[None]:
        """Surround what is done for these calls, from `prepare` to `send`."""
        ...

    async def send(self, prepared: P, new_rows: Collection[str]) -> None:
        """Send what is committed; must not raise when the queue is away.

        Args:
            prepared: what `prepare` returned.
            new_rows: ids of the rows that did not exist before; the jobs of others are not sent.
        """
        ...


class UnitOfWork:
    """One transaction and the jobs that it asks for.

    Leaving the block commits and then sends the jobs; an exception rolls back and drops them.
    """

    def __init__(self, session: AsyncSession, sender: Sender[Any]) -> None:
        self.session = session
        self._sender = sender
        self._calls: list[Any] = []

    def enqueue(self, *calls: object) -> list[str]:
        """Commit these job calls with the rest, and send them after it, in one round trip.

        Returns the ids of the jobs in order, so that a row of this transaction can hold one. A call
        whose `job_id` names a durable job that exists changes nothing; a unique or debounced
        one may find another job in its place, under its own id.
        """
        named = self._sender.named(calls)
        self._calls.extend(named)
        return [call.job_id for call in named]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if error is not None:
            async with self.session:
                await self.session.rollback()
        elif self._calls:
            with self._sender.sending(self._calls):
                await self._commit_and_send()
        else:
            async with self.session:
                await self.session.commit()

    async def _commit_and_send(self) -> None:
        async with self.session:
            prepared = self._sender.prepare(self._calls)
            new_rows: Collection[str] = ()
            if prepared.rows:
                new_rows = await outbox.add(self.session, prepared.rows)
            await self.session.commit()
        await self._sender.send(prepared, new_rows)
