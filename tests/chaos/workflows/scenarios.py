"""Two scenarios: a wide fan-in under kills, and many workflows while everything goes away once."""

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.access.models import User
from service.kit.ids import uuid7
from service.runtime import Runtime
from service.workflows import actions
from service.workflows.building import Flow, chain, chord, group, results, step
from service.workflows.schemas import WorkflowIn
from tests.chaos.servers import STOP_POSTGRES, Servers
from tests.chaos.workflows.fleet import fleet
from tests.chaos.workflows.jobs import TABLES, fail, member, revoke, total

SECONDS = 0.05
"""Of one step, on average."""
FAILING = 4
"""Every so-manieth workflow fails at its eighth step."""

_OPEN = text("""
    SELECT count(*) FROM workflows WHERE state NOT IN ('succeeded', 'failed', 'undone', 'cancelled')
""")
_STATES = text("SELECT state, count(*) FROM workflows GROUP BY state")
_TWICE = text("SELECT job_id FROM chaos_effects GROUP BY job_id HAVING count(*) > 1")
_RUNS = text("SELECT (SELECT count(*) FROM chaos_runs) - (SELECT count(*) FROM chaos_effects)")
_DIFFERENCES = text("""
    SELECT * FROM (
        SELECT concat('step:', id, ':', attempt) AS job_id FROM workflow_steps
        WHERE state = 'succeeded'
        UNION ALL
        SELECT concat('undo:', s.id, ':', s.undo_attempt)
        FROM workflow_steps AS s JOIN workflows AS w ON w.id = s.workflow_id
        WHERE w.state = 'undone' AND s.state = 'succeeded'
    ) AS expected FULL JOIN chaos_effects AS found USING (job_id)
    WHERE expected.job_id IS NULL OR found.job_id IS NULL
""")
_CALLBACKS = text("SELECT state, version FROM durable_jobs WHERE name = 'chaos.total'")


@dataclass(frozen=True, slots=True)
class Found:
    """What a scenario has left.

    Attributes:
        states: how many workflows ended how.
        doubled: jobs that had their effect twice.
        differences: jobs with an effect that they should not have, or without one they should.
        repeated: runs beyond the first, whose effect a claim prevented.
    """

    seconds: float
    killed: int
    states: dict[str, int]
    doubled: list[str]
    differences: list[str]
    repeated: int


async def _begin(runtime: Runtime) -> UUID:
    for table in TABLES:
        await runtime.database.execute(text(table))
    async with runtime.unit_of_work() as uow:
        user = User(id=uuid7(), name="chaos")
        uow.session.add(user)
        await uow.session.flush()
    return user.id


async def _all_ended(runtime: Runtime, limit: float, told: Any) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        try:
            ((count,),) = await runtime.database.execute(_OPEN)
        except (SQLAlchemyError, OSError):  # PostgreSQL is away
            continue
        if count == 0:
            return
    raise AssertionError(f"workflows without an end after {limit:g} s\n{told()}")


async def _found(runtime: Runtime, began: float, killed: int) -> Found:
    async def query(statement: Any) -> Any:
        return await runtime.database.execute(statement)

    return Found(
        seconds=round(time.monotonic() - began, 1),
        killed=killed,
        states={row.state: row.count for row in await query(_STATES)},
        doubled=[row.job_id for row in await query(_TWICE)],
        differences=[row.job_id for row in await query(_DIFFERENCES)],
        repeated=(await query(_RUNS))[0][0],
    )


async def fan_in(
    runtime: Runtime, folder: Path, *, members: int, workers: int, every: float, kills: int
) -> tuple[Found, list[tuple[str, int]], Any]:
    """Run one fan-in under kills; return what it left, its callback's rows, and its output."""
    owner_id = await _begin(runtime)
    numbers = group(*(member(number=n, seconds=SECONDS) for n in range(members)))
    flow = chord(numbers, total(numbers=results()))
    async with fleet(runtime.settings, folder, workers, every=every, kills=kills) as running:
        began = time.monotonic()
        async with runtime.unit_of_work() as uow:
            await actions.start(uow, flow.named("fan-in"), owner_id)
        await _all_ended(runtime, 240, running.output)
        found = await _found(runtime, began, running.killed)
    callbacks = [(r.state, r.version) for r in await runtime.database.execute(_CALLBACKS)]
    (row,) = await runtime.database.execute(text("SELECT output FROM workflows"))
    return found, callbacks, row.output


def ten_steps(index: int) -> WorkflowIn:
    """Return a workflow of ten steps that is undone when it fails, as every fourth does."""

    def one(key: int) -> Any:
        call = fail() if key == 8 and index % FAILING == 0 else member(number=key, seconds=SECONDS)
        return step(str(key), call, undo=revoke())

    flow: Flow = chain(one(1), one(2), group(*map(one, range(3, 8))), one(8), one(9), one(10))
    return flow.named("ten steps", undo_on_failure=True)


async def everything_goes_away(
    runtime: Runtime,
    servers: Servers,
    folder: Path,
    *,
    workflows: int,
    workers: int,
    every: float,
    kills: int,
) -> Found:
    """Run many workflows; wipe Valkey, restart PostgreSQL and kill workers meanwhile."""
    owner_id = await _begin(runtime)
    async with fleet(runtime.settings, folder, workers, every=every, kills=kills) as running:
        began = time.monotonic()
        for index in range(workflows):
            async with runtime.unit_of_work() as uow:
                await actions.start(uow, ten_steps(index), owner_id)
        await asyncio.sleep(1)
        await runtime.queue.flushall()
        await asyncio.sleep(1)
        servers.stop("postgres", STOP_POSTGRES)
        servers.start_postgres()
        await asyncio.sleep(1)
        await runtime.queue.flushall()
        servers.stop("valkey", signal.SIGKILL)
        servers.start_valkey()
        await _all_ended(runtime, 240, running.output)
        return await _found(runtime, began, running.killed)
