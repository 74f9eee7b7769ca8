"""What sensitive jobs leave behind: an audit entry for each run, and nothing that can be read."""

import asyncio

import pytest

from service.queue import JobCall, job
from tests.support import Installation
from tests.workers.history import FUNCTIONS, confide
from workers.engine.identity import process_name

from .helpers import dump_of_redis

pytestmark = pytest.mark.asyncio
WORD = "open-sesame-7f3a"


async def test_a_run_is_written_down_once(api: Installation) -> None:
    """V082: who asked, which job, what became of it; never what it was about."""
    await api.runtime.queue.enqueue(
        JobCall("tests.add", "publishing", kwargs={"number": 1}, headers={"actor": "ann"})
    )
    headers = {"actor": "ann", "trace": "ab" * 16}
    call = confide(WORD)
    handle = await api.runtime.queue.enqueue(
        JobCall(call.name, call.queue, kwargs=call.kwargs, headers=headers)
    )
    assert handle is not None
    await api.work(functions=FUNCTIONS)
    await asyncio.gather(api.record(), api.record())
    (row,) = await api.sql("SELECT actor, action, subject, detail, trace FROM audit_log")
    finished_at = row.detail.pop("finished_at")
    assert isinstance(finished_at, str)
    assert tuple(row) == (
        *("ann", "jobs.run", handle.job_id),
        {
            "name": "tests.confide",
            "attempt": 1,
            "state": "succeeded",
            "worker": process_name(),
        },
        "ab" * 16,
    )


async def test_nothing_of_it_can_be_read(api: Installation) -> None:
    """V084: neither in Redis while it waits and afterwards, nor in the history or the dead."""
    for secret in (WORD, f"bad {WORD}"):
        await api.runtime.queue.enqueue(confide(secret))
    assert WORD not in await dump_of_redis(api)
    await api.work(functions=FUNCTIONS)
    assert WORD not in await dump_of_redis(api)
    assert await api.record() == 2
    for table in ("job_runs", "dead_jobs", "notices", "audit_log"):
        rows = await api.sql(f"SELECT {table}::text AS whole FROM {table}")
        assert rows
        assert all(WORD not in row.whole for row in rows)


async def test_a_sensitive_job_keeps_its_history() -> None:
    """V082: the audit log is written from it."""
    with pytest.raises(ValueError, match="every run of a sensitive job is told of"):

        @job(
            "tests.hushed",
            queue="publishing",
            coroutine="tests.none",
            sensitive=True,
            history="failures",
        )
        async def hushed() -> None:
            """Nothing."""
