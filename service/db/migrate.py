"""Migrations: their own step, one process at a time, never part of a server's start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from service.db.revision import head

LOCK = {"key": 0x616C6D02}
"""PostgreSQL's advisory lock of whoever migrates."""
FOLDER = Path(__file__).with_name("migrations")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


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
