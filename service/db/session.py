"""The unit of work: one transaction, committed before the reply, its jobs sent after it.

This is the only module that commits.
"""

import types
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

Sender = Callable[[Sequence[Any]], Awaitable[None]]
"""Puts job calls on their queues; must not raise when the queue is away."""


class Database:
    """The connections of one process.

    Args:
        url: a `postgresql+asyncpg://` URL.
        name: shown in pg_stat_activity, so that every connection names its process.
        pool_size: connections kept; as many again may be opened under load.
    """

    def __init__(self, url: str, *, name: str, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=False,
            connect_args={"server_settings": {"application_name": name, "jit": "off"}},
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def session(self) -> AsyncSession:
        """Open a session; loaded rows stay readable after its end."""
        return AsyncSession(self.engine, expire_on_commit=False, autoflush=False)

    async def execute(
        self, statement: Executable, values: dict[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Run one statement as its own transaction, in one round trip; return all its rows."""
        async with self._autocommit.connect() as connection:
            result = await connection.execute(statement, values)
            return result.all() if result.returns_rows else []

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class UnitOfWork:
    """One transaction and the jobs that it asks for.

    Leaving the block commits and then sends the jobs; an exception rolls back and drops them.
    """

    def __init__(self, session: AsyncSession, sender: Sender) -> None:
        self.session = session
        self._sender = sender
        self._calls: list[Any] = []

    def enqueue(self, *calls: object) -> None:
        """Send these job calls after the commit, all in one round trip."""
        self._calls.extend(calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        async with self.session:
            if error is not None:
                await self.session.rollback()
                return
            await self.session.commit()
        if self._calls:
            await self._sender(self._calls)
