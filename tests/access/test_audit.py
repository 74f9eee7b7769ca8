"""The audit log: what `note` writes, and that nobody changes it afterwards."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.access.audit import note
from service.kit.clock import now
from service.runtime import Runtime

pytestmark = pytest.mark.asyncio
CHANGES = (
    "UPDATE audit_log SET actor = 'nobody'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
)


async def test_a_note_is_part_of_the_transaction(runtime: Runtime) -> None:
    """V082: what is rolled back has not happened, and leaves no entry."""
    job = uuid4()
    async with runtime.unit_of_work() as uow:
        await note(uow.session, "ann", "jobs.cancel", str(job), reason="a \0 \ud800", owner=job)
    with pytest.raises(ZeroDivisionError):
        async with runtime.unit_of_work() as uow:
            await note(uow.session, "ann", "jobs.cancel", "another")
            raise ZeroDivisionError
    rows = await runtime.database.execute(
        text("SELECT actor, action, subject, detail, address, trace, at FROM audit_log")
    )
    detail = {"reason": "a \\x00 \\ud800", "owner": str(job)}
    assert [tuple(row) for row in rows] == [
        ("ann", "jobs.cancel", str(job), detail, None, None, rows[0].at)
    ]
    assert abs((now() - rows[0].at).total_seconds()) < 60


@pytest.mark.parametrize("change", CHANGES)
async def test_the_log_cannot_be_changed(runtime: Runtime, change: str) -> None:
    """V082, K037: not even by the role that owns the table."""
    async with runtime.unit_of_work() as uow:
        await note(uow.session, "ann", "queues.purge", "queue:publishing")
    with pytest.raises(DBAPIError, match="audit_log is append-only"):
        await runtime.database.execute(text(change))
    rows = await runtime.database.execute(text("SELECT actor FROM audit_log"))
    assert [row.actor for row in rows] == ["ann"]
