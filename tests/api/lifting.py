"""A job that people ask for in tests, its code, and what is said of it in one line."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from service.kit.tasks import end
from service.queue import RetryPolicy, job
from tests.support import Installation
from workers.engine import LEDGER, Context, run
from workers.ledger import JobLedger
from workers.notes import RunLog
from workers.progress import progress

log = logging.getLogger(__name__)
TWICE = RetryPolicy(tries=2, delay=0)


@job("tests.lift", queue="publishing", coroutine="tests.api.lifting.lift", retry=TWICE)
async def lift(weight: int, unit: str = "kg") -> dict[str, Any]:
    """Return what looks like a failure; fail for what is too heavy."""
    raise NotImplementedError


@dataclass
class Gym:
    """The code of `tests.lift`; it notes every run, and waits in it for its `door`."""

    runs: list[int] = field(default_factory=list)
    strong: bool = False
    inside: asyncio.Event = field(default_factory=asyncio.Event)
    door: asyncio.Event | None = None

    async def lift(self, ctx: Context, weight: int, unit: str = "kg") -> dict[str, Any]:
        self.runs.append(weight)
        progress(ctx, 1, 4, "warming up")
        log.warning("lifting %d %s", weight, unit)
        self.inside.set()
        if self.door is not None:
            await self.door.wait()
        if weight > 100 and not self.strong:
            raise ValueError(f"{weight} {unit} is too heavy")
        return {"status": "FAILURE", "state": "PENDING", "lifted": weight}

    async def train(self, api: Installation, **settings: Any) -> None:
        """Run what is in the queue, and record it."""
        ledger = JobLedger(api.runtime)
        ctx = {"runtime": api.runtime, LEDGER: ledger}
        telling = asyncio.create_task(ledger.notes.serve())
        log.addHandler(handler := RunLog(ledger.notes))
        await api.work(functions=[run(lift, self.lift)], ctx=ctx, **settings)
        log.removeHandler(handler)
        await end(telling)
        await api.record()


async def durable(api: Installation, job_id: str, weight: int = 1, **headers: str) -> str:
    """Send a durable job; return its id."""
    call = lift(weight=weight).deferred(job_id=job_id)
    call = type(call)(call.name, call.queue, kwargs=call.kwargs, job_id=job_id, headers=headers)
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(call)
    return job_id


async def audited(api: Installation) -> list[tuple[str, str, str]]:
    """Return actor, action and subject of everything in the audit log, the earliest first."""
    rows = await api.sql("SELECT actor, action, subject FROM audit_log ORDER BY id")
    return [tuple(row) for row in rows]


async def shown(api: Installation, job_id: str) -> Any:
    """Return a job as an admin sees it."""
    reply = await api.get(f"/v1/jobs/{job_id}")
    assert reply.status_code == 200, reply.text
    return reply.json()
