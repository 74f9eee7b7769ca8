"""Which schema this version of Almanac needs, and which one the database has.

Apart from `migrate`, so that only what migrates loads Alembic.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

_VERSIONS = Path(__file__).with_name("migrations") / "versions"


@cache
def head() -> str:
    """Return the newest revision that this version knows: migrations are numbered in order."""
    return max(path.stem for path in _VERSIONS.glob("[0-9]*.py")).partition("_")[0]


async def present(session: AsyncSession) -> str | None:
    """Return the revision that the database is at, None before the first migration."""
    try:
        found: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:
        return None
    return found
