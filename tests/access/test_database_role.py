"""The role that Almanac needs in PostgreSQL: the owner of one database and nothing more."""

from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from service.access.actions import create_key
from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.db import migrate, revision
from service.monitoring.history_queries import add_day
from service.monitoring.jobs import clean
from service.runtime import database_url, open_runtime
from tests.support import Installation

pytestmark = pytest.mark.asyncio
NAME = "almanac_application"


@pytest_asyncio.fixture
async def ordinary(settings: Settings) -> AsyncIterator[Settings]:
    """Settings with a role that may do nothing beyond its own database."""
    url = make_url(database_url(settings))
    admin = create_async_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(
            text(f"CREATE ROLE {NAME} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION")
        )
        await connection.execute(text(f"CREATE DATABASE {NAME} OWNER {NAME}"))
        own = url.set(username=NAME, database=NAME).render_as_string(hide_password=False)
        yield settings.model_copy(update={"database_url": SecretStr(own)})
        await connection.execute(text(f"DROP DATABASE {NAME} WITH (FORCE)"))
        await connection.execute(text(f"DROP ROLE {NAME}"))
    await admin.dispose()


async def test_everything_works_without_a_superuser(ordinary: Settings) -> None:
    """K074: the schema is made, a post goes out, runs are recorded and old ones dropped."""
    assert await migrate.upgrade(database_url(ordinary)) == revision.head()
    app = create_app(ordinary)
    async with open_runtime(ordinary, "test") as runtime, app.router.lifespan_context(app):
        await runtime.queue.flushdb()
        async with runtime.unit_of_work() as uow:
            key = await create_key(uow.session, "admin", [Scope.ADMIN])
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as http:
            api = Installation(runtime, http, key)
            (role,) = await api.sql(
                "SELECT rolsuper OR rolcreatedb OR rolcreaterole AS more FROM pg_roles "
                "WHERE rolname = current_user"
            )
            assert role.more is False
            post = await api.schedule([await api.connect()])
            await api.work()
            assert (await api.read_post(post["id"]))["state"] == "published"
            async with runtime.unit_of_work() as uow:
                await add_day(uow.session, date(2020, 1, 1))
                uow.enqueue(clean())
            await api.work("maintenance")
            assert await api.record() == 1
            (run,) = (await api.get("/v1/jobs")).json()["items"]
            assert (run["name"], run["state"]) == ("monitoring.clean", "succeeded")
            assert await api.sql("SELECT to_regclass('job_runs_20200101')") == [(None,)]
