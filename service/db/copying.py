"""Many rows at once, by COPY, in a session's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession


async def copy(
    session: AsyncSession, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows into a table.

    Args:
        session: whose transaction they join.
        table: its name.
        columns: their names, in the order of the rows' values.
        rows: values as asyncpg takes them; for a column of JSON its text.

    Raises:
        DataError: a value has not the type of its column.
        OperationalError: PostgreSQL refuses a row, or is away; `orig` says which.
    """
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)
    try:
        await driver.copy_records_to_table(table, columns=columns, records=rows)
    except (TypeError, ValueError, OverflowError) as error:  # before anything is sent of the row
        raise DataError(f"COPY {table}", None, error) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise OperationalError(f"COPY {table}", None, error) from error
