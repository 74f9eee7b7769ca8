"""Migrations: their own step, one process at a time, never part of a server's start."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

LOCK = {"key": 0x616C6D02}
"""PostgreSQL's advisory lock of whoever migrates."""
FOLDER = Path(__file__).with_name("migrations")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """Return the newest revision that this version of Almanac knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def revision(session: AsyncSession) -> str | None:
    """Return the revision that the database is at, None before the first migration."""
    try:
        found: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:
        return None
    return found


async def upgrade(url: str) -> str:
    """Bring the schema to `head()` and return it; concurrent calls wait for each other.

    Args:
        url: a `postgresql+asyncpg://` URL.
    """
    named = {"server_settings": {"application_name": "almanac.migrate"}}
    engine = create_async_engine(url, connect_args=named)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), LOCK)
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return head()


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")
