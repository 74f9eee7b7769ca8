"""Jobs for workflows of tests, their code, and what is said of a run in one line."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.access.caller import Caller, Scope
from service.access.models import User
from service.kit.ids import uuid7
from service.queue import RetryPolicy, job, queue_key
from service.runtime import Runtime
from service.workflows import actions, queries, schemas, showing
from service.workflows.schemas import WorkflowIn
from tests.queue.leaks import leaked_keys
from workers.engine import LEDGER, Context, Worker, run
from workers.ledger import JobLedger

QUEUE = "flows"
KEY = queue_key(QUEUE)
OTHER = "otherflows"
ADMIN = Caller(UUID(int=0), "admin", frozenset({Scope.ADMIN}))
HERE = "tests.workflows"


@job("flows.note", queue=QUEUE, coroutine=f"{HERE}.note", retry=RetryPolicy(1))
async def note(name: str, given: str = "") -> dict[str, str]:
    """Return a name and a path."""
    raise NotImplementedError


@job("flows.total", queue=QUEUE, coroutine=f"{HERE}.total", retry=RetryPolicy(2, delay=0))
async def total(numbers: list[int]) -> int:
    """Return the sum."""
    raise NotImplementedError


@job("flows.number", queue=QUEUE, coroutine=f"{HERE}.number", retry=RetryPolicy(1))
async def number(value: int) -> int:
    """Return the number."""
    raise NotImplementedError


@job("flows.revoke", queue=QUEUE, coroutine=f"{HERE}.revoke", retry=RetryPolicy(1))
async def revoke(name: str) -> None:
    """Undo what `flows.note` did."""
    raise NotImplementedError


@job("flows.hidden", queue=QUEUE, coroutine=f"{HERE}.hidden", sensitive=True)
async def hidden(name: str) -> None:
    """Do nothing that may be seen."""
    raise NotImplementedError


@job("flows.elsewhere", queue=OTHER, coroutine=f"{HERE}.elsewhere")
async def elsewhere() -> None:
    """Do nothing, in another queue."""
    raise NotImplementedError


Hook = Callable[[Context, str], Awaitable[None]]


async def _nothing(ctx: Context, name: str) -> None:
    """Do nothing else."""


@dataclass
class Code:
    """The coroutines; they note every run, fail for what is in `failing`, and call `inside`."""

    runs: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    inside: Hook = _nothing

    async def note(self, ctx: Context, name: str, given: str = "") -> dict[str, str]:
        await self._run(ctx, name)
        return {"name": name, "path": f"/{name}", "given": given}

    async def total(self, ctx: Context, numbers: list[int]) -> int:
        await self._run(ctx, "total")
        return sum(numbers)

    async def number(self, ctx: Context, value: int) -> int:
        await self._run(ctx, str(value))
        return value

    async def revoke(self, ctx: Context, name: str) -> None:
        await self._run(ctx, f"undo {name}")

    async def hidden(self, ctx: Context, name: str) -> None:
        await self._run(ctx, name)

    async def _run(self, ctx: Context, name: str) -> None:
        self.runs.append(name)
        await self.inside(ctx, name)
        if name in self.failing:
            raise ValueError(f"bad luck with {name}")


def make_worker(runtime: Runtime, code: Code, **settings: Any) -> Worker:
    """Return a worker of the queue that stops when it is empty."""
    functions = [
        run(note, code.note),
        run(total, code.total),
        run(number, code.number),
        run(revoke, code.revoke),
        run(hidden, code.hidden),
    ]
    ctx = {LEDGER: JobLedger(runtime), "runtime": runtime}
    defaults: dict[str, Any] = {"queue_name": KEY, "burst": True, "handle_signals": False}
    return Worker(
        functions, redis_pool=runtime.queue, ctx=ctx, allow_abort_jobs=True, **defaults | settings
    )


async def work(runtime: Runtime, code: Code, **settings: Any) -> None:
    """Run what is in the queue, and all that follows from it."""
    async with asyncio.timeout(60):
        await make_worker(runtime, code, **settings).async_run()
    assert await leaked_keys(runtime.queue) == []


async def owner(runtime: Runtime, name: str = "somebody") -> UUID:
    """Make a user."""
    async with runtime.unit_of_work() as uow:
        user = User(id=uuid7(), name=name)
        uow.session.add(user)
        await uow.session.flush()
    return user.id


async def start(runtime: Runtime, definition: WorkflowIn) -> UUID:
    """Start a workflow for a new user."""
    owner_id = await owner(runtime, f"owner {uuid7()}")
    async with runtime.unit_of_work() as uow:
        return await actions.start(uow, definition, owner_id)


async def shown(runtime: Runtime, workflow_id: UUID) -> schemas.WorkflowDetail:
    """Return a run as the API shows it."""
    async with runtime.unit_of_work() as uow:
        return await showing.in_full(uow.session, ADMIN, workflow_id)


async def shown_step(runtime: Runtime, workflow_id: UUID, key: str) -> schemas.StepDetail:
    """Return a step as the API shows it."""
    async with runtime.unit_of_work() as uow:
        (found,) = await queries.steps(uow.session, workflow_id, key)
        return showing.step_in_full(found)


async def states(runtime: Runtime, workflow_id: UUID) -> dict[str, str]:
    """Return the states of the steps."""
    return {step.key: step.state for step in (await shown(runtime, workflow_id)).steps}


async def resume(runtime: Runtime, workflow_id: UUID) -> None:
    """Resume a run."""
    async with runtime.unit_of_work() as uow:
        await actions.resume(uow, ADMIN, workflow_id)


async def undo(runtime: Runtime, workflow_id: UUID) -> None:
    """Undo a run."""
    async with runtime.unit_of_work() as uow:
        await actions.undo(uow, ADMIN, workflow_id)
