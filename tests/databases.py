"""One database for the tests of a process, emptied after each: a copy takes forty times as long.

A test that changed the schema, or settings of the database, leaves a database that is thrown away.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

TEMPLATE = "almanac"
_numbers = count(1)
_CLOSE_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
# Without triggers: the audit log refuses to be emptied. A large table is cut, not only deleted
# from, so that the tests after it do not read through what is dead.
_EMPTY = text(
    """
    DO $$
    DECLARE found record;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR found IN
            SELECT oid::regclass AS name, pg_relation_size(oid) AS size FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
        LOOP
            IF found.size > 1000000 THEN
                EXECUTE 'TRUNCATE ' || found.name || ' CASCADE';
            ELSE
                EXECUTE 'DELETE FROM ' || found.name;
            END IF;
        END LOOP;
    END $$
    """
)
_SHAPE = text(
    """
    SELECT (SELECT (count(*), max(oid)) FROM pg_class)::text
        || (SELECT (count(*), max(oid)) FROM pg_constraint)::text
        || (SELECT (count(*), max(oid)) FROM pg_proc)::text
        || (SELECT (count(*), max(oid)) FROM pg_trigger)::text
        || (SELECT count(*) FROM pg_attribute)::text
        || (SELECT count(*) FROM pg_sequences WHERE last_value IS NOT NULL)::text
        || (SELECT count(*) FROM pg_db_role_setting)::text
        || (SELECT version_num FROM alembic_version)
    """
)


@dataclass
class Databases:
    """Gives each test an empty, migrated database.

    Args:
        server: a connection, in autocommit, to the server that has the template.
        url: of the template.
    """

    server: AsyncEngine
    url: str
    _name: str = ""
    _shape: str = ""
    _engine: AsyncEngine | None = None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Lend a database; yield its URL."""
        if self._engine is None:
            self._engine = await self._create()
        yield self._url
        async with self._engine.connect() as connection:
            await connection.execute(_CLOSE_OTHERS)
            if await self._shape_of(connection) == self._shape:
                await connection.execute(_EMPTY)
                return
        await self.close()

    async def close(self) -> None:
        """Drop the database."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None
            async with self.server.connect() as connection:
                await connection.execute(text(f"DROP DATABASE {self._name} WITH (FORCE)"))

    @property
    def _url(self) -> str:
        return self.url.replace(f"/{TEMPLATE}?", f"/{self._name}?")

    async def _create(self) -> AsyncEngine:
        self._name = f"test_{next(_numbers)}"
        async with self.server.connect() as connection:
            # Copied as files: the template is small, and its pages need not be logged.
            create = f"CREATE DATABASE {self._name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"
            await connection.execute(text(create))
        engine = create_async_engine(self._url, isolation_level="AUTOCOMMIT", pool_size=1)
        async with engine.connect() as connection:
            self._shape = await self._shape_of(connection)
        return engine

    async def _shape_of(self, connection: AsyncConnection) -> str:
        shape: str = (await connection.execute(_SHAPE)).scalar_one()
        return shape
