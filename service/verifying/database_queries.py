"""SQL of looking at the database itself."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import revision

_SERVER = text(
    "SELECT current_setting('server_version'), current_user, rolsuper,"
    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"
    " FROM pg_roles WHERE rolname = current_user"
)


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """What a session is connected to, and as whom."""

    version: str
    role: str
    superuser: bool
    tls: bool
    revision: str | None
    """Of the schema; None before the first migration."""
    wanted: str
    """The revision that this version of Almanac needs."""


async def server(session: AsyncSession) -> DatabaseServer:
    """Return what this session is connected to."""
    row = (await session.execute(_SERVER)).one()
    present = await revision.present(session)
    return DatabaseServer(row[0].split()[0], row[1], row[2], row[3], present, revision.head())
