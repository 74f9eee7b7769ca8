"""Migrations and the unit of work on a real PostgreSQL."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from service.access.models import User
from service.config import Settings
from service.db import migrate, revision
from service.db.base import Base
from service.db.session import Database, UnitOfWork
from service.durable import Prepared, named
from service.posts.jobs import sweep
from service.runtime import Runtime, database_url

pytestmark = pytest.mark.asyncio


def differences(connection: Connection) -> list[Any]:
    """Return what autogenerate would change."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def test_the_migrations_make_the_models(settings: Settings) -> None:
    """No table, column, index or constraint is in one and not in the other."""
    engine = create_async_engine(database_url(settings))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_concurrent_migrations_wait_for_each_other(settings: Settings) -> None:
    """Three processes migrate an empty database: each ends at the head."""
    url = database_url(settings)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    found = await asyncio.gather(*(migrate.upgrade(url) for _ in range(3)))
    assert set(found) == {revision.head()}
    assert ScriptDirectory.from_config(migrate._config()).get_current_head() == revision.head()
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


class Sent:
    """A sender that notes what was committed when it was called."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls: list[Any] = []
        self.users_then = -1

    def named(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Name the calls as the runtime does."""
        return named(calls)

    def prepare(self, calls: Sequence[Any]) -> Prepared:
        """Make no rows."""
        return Prepared([], list(calls))

    def sending(self, calls: Sequence[Any]) -> AbstractContextManager[None]:
        """Record nothing."""
        return nullcontext()

    async def send(self, prepared: Prepared, new_rows: Collection[str]) -> None:
        """Note the calls."""
        self.calls += prepared.entries
        (row,) = await self.database.execute(text("SELECT count(*) FROM users"))
        self.users_then = row[0]


async def test_jobs_are_sent_after_the_commit(runtime: Runtime) -> None:
    """The sender sees the row: no worker can come too early."""
    sent = Sent(runtime.database)
    async with UnitOfWork(runtime.database.session(), sent) as uow:
        uow.session.add(User(name="new"))
        uow.enqueue(sweep(), sweep())
        assert sent.calls == []
    assert (len(sent.calls), sent.users_then) == (2, 1)


async def test_a_rollback_drops_the_jobs(runtime: Runtime) -> None:
    """An error leaves neither row nor job."""
    sent = Sent(runtime.database)
    with pytest.raises(RuntimeError, match="no"):
        async with UnitOfWork(runtime.database.session(), sent) as uow:
            uow.session.add(User(name="new"))
            uow.enqueue(sweep())
            await uow.session.flush()
            raise RuntimeError("no")
    assert sent.calls == []
    (row,) = await runtime.database.execute(text("SELECT count(*) FROM users"))
    assert row[0] == 0


async def test_a_failed_commit_sends_nothing(runtime: Runtime) -> None:
    """A constraint that only the commit finds leaves neither row nor job."""
    sent = Sent(runtime.database)
    with pytest.raises(Exception, match="uq_users_name"):
        async with UnitOfWork(runtime.database.session(), sent) as uow:
            uow.session.add_all([User(name="same"), User(name="same")])
            uow.enqueue(sweep())
    assert sent.calls == []


async def test_every_connection_names_its_process(runtime: Runtime) -> None:
    """pg_stat_activity tells who is who."""
    query = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    (row,) = await runtime.database.execute(text(query))
    assert row[0] == "almanac.test"
