"""Real servers for the whole suite: one PostgreSQL and one Valkey for each xdist worker.

Each test gets a database that holds nothing, and an emptied Valkey.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service import runtime as runtimes
from service.access.actions import create_key
from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers, Endpoints
from service.runtime import Runtime, open_runtime
from tests.databases import Databases
from tests.support import Installation, server_folder, settings_for

TESTS = Path(__file__).parent
LONG = ("chaos", "e2e", "monitoring", "schedules", "test_operations.py", "commands", "compat")
"""Files and folders that take longest, or mostly wait."""

# A shell's background job ignores Ctrl-C, and so would every process that tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left with it at the end."""
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] not in LONG)


@pytest.fixture(scope="session")
def servers() -> Iterator[Endpoints]:
    """The servers, with a migrated database `almanac` that nobody else opens."""
    with server_folder() as folder, EmbeddedServers(folder / "home") as endpoints:
        asyncio.run(migrate.upgrade(endpoints.database_url))
        asyncio.run(_do_not_wait_for_disks(endpoints.database_url))
        yield endpoints


async def _do_not_wait_for_disks(url: str) -> None:
    """Nothing of the suite outlives its servers; tests that kill servers have their own."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            await connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        await connection.execute(text("ALTER SYSTEM SET file_copy_method = clone"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await engine.dispose()


@pytest_asyncio.fixture(scope="session")
async def postgres(servers: Endpoints) -> AsyncIterator[AsyncEngine]:
    """A connection that makes and drops the databases of tests."""
    url = servers.database_url.replace("/almanac?", "/postgres?")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session")
async def databases(servers: Endpoints, postgres: AsyncEngine) -> AsyncIterator[Databases]:
    """Where tests get their databases from."""
    databases = Databases(postgres, servers.database_url)
    yield databases
    await databases.close()


@pytest_asyncio.fixture
async def settings(
    servers: Endpoints, databases: Databases, tmp_path: Path
) -> AsyncIterator[Settings]:
    """Settings of one test: an empty database, nothing of the environment."""
    async with databases.lend() as url:
        yield settings_for(url, servers.redis_url, tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _patience() -> Iterator[None]:
    """Wait for the queue after a commit: what is late is the sweep's, which few tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtimes, "SEND_TIMEOUT", 1.0)
        yield


@pytest_asyncio.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """An open runtime on an empty Valkey."""
    async with open_runtime(settings, "test") as runtime:
        await runtime.queue.flushdb()
        yield runtime


@pytest_asyncio.fixture
async def application(settings: Settings, runtime: Runtime) -> AsyncIterator[FastAPI]:
    """The HTTP application, opened on the test's servers.

    All tests of a process share it, for its routes are made ready by the first request to each;
    what it measures of requests goes on from test to test.
    """
    app = _shared_application()
    app.state.settings = settings
    async with app.router.lifespan_context(app):
        yield app


@cache
def _shared_application() -> FastAPI:
    return create_app(Settings(_env_file=None))


@pytest_asyncio.fixture
async def installation(application: FastAPI, runtime: Runtime) -> AsyncIterator[Installation]:
    """The HTTP application on the test's servers, with an admin's key."""
    async with runtime.unit_of_work() as uow:
        key = await create_key(uow.session, "admin", [Scope.ADMIN])
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://almanac.test") as http:
        yield Installation(runtime, http, key)


@pytest.fixture
def api(installation: Installation) -> Installation:
    """Short name of `installation` for tests that only speak HTTP."""
    return installation
