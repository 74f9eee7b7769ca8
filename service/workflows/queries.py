"""SQL of workflows that makes and shows them; what moves them on has its own file."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Text,
    Uuid,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Bundle

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.kit.pagination import Page, Rows, encode_cursor
from service.workflows.models import StepState, Workflow, WorkflowState, WorkflowStep

PAST_RUNS = 20
"""Earlier runs of a name from which durations are taken."""


def one_of(column: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    """Return the condition that a column has one of these ids, as one parameter."""
    found: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(Uuid())))
    return found


def job_id(kind: str, attempt: Any) -> ColumnElement[str]:
    """Return the id of a step's job; see `rules.job_id`."""
    parts = func.concat(f"{kind}:", WorkflowStep.id, ":", attempt)
    return cast(parts, Text)


async def add(session: AsyncSession, row: dict[str, Any], steps: Sequence[dict[str, Any]]) -> None:
    """Insert a workflow with its steps."""
    await session.execute(insert(Workflow), [row])
    await session.execute(insert(WorkflowStep), list(steps))


def _visible(caller: Caller) -> Select[Workflow]:
    # What this transaction has changed since it read a row was changed past the session.
    statement = select(Workflow).execution_options(populate_existing=True)
    return statement if caller.is_admin else statement.where(Workflow.owner_id == caller.user_id)


async def workflow(session: AsyncSession, caller: Caller, workflow_id: UUID) -> Workflow | None:
    """Return a run, if the caller may see it."""
    return await session.scalar(_visible(caller).where(Workflow.id == workflow_id))


async def locked(session: AsyncSession, caller: Caller, workflow_id: UUID) -> Workflow | None:
    """Return a run and lock the outermost one that it is in, if the caller may see it."""
    found = await workflow(session, caller, workflow_id)
    if found is None:
        return None
    await session.execute(select(Workflow.id).where(Workflow.id == found.root_id).with_for_update())
    return await workflow(session, caller, workflow_id)


async def runs(
    session: AsyncSession,
    caller: Caller,
    page: Page,
    name: str | None,
    state: WorkflowState | None,
) -> Rows[Workflow]:
    """Return a page of runs that are not inside others, newest first."""
    statement = _visible(caller).where(Workflow.parent_step.is_(None))
    if page.before:
        statement = statement.where(Workflow.id < page.before)
    if name:
        statement = statement.where(Workflow.name == name)
    if state:
        statement = statement.where(Workflow.state == state)
    found = await session.scalars(statement.order_by(Workflow.id.desc()).limit(page.limit + 1))
    rows = list(found)
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def tallies(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Row[UUID, int, int]]:
    """Return of each run how many steps it has, and the sum of their progress."""
    told = case(
        (WorkflowStep.state == StepState.SUCCEEDED, 100),
        else_=func.greatest(WorkflowStep.progress, func.coalesce(DurableJob.progress, 0)),
    )
    found = await session.execute(
        select(WorkflowStep.workflow_id, func.count(), func.sum(told))
        .join_from(WorkflowStep, DurableJob, _is_its_job(), isouter=True)
        .where(one_of(WorkflowStep.workflow_id, ids))
        .group_by(WorkflowStep.workflow_id)
    )
    return {row[0]: row for row in found}


def _is_its_job() -> ColumnElement[bool]:
    return DurableJob.id == job_id("step", WorkflowStep.attempt)


_BRIEF_STEP = Bundle[Any](
    "step",
    *(WorkflowStep.id, WorkflowStep.key, WorkflowStep.job, WorkflowStep.after),
    *(WorkflowStep.state, WorkflowStep.attempt, WorkflowStep.progress, WorkflowStep.text),
    *(WorkflowStep.error, WorkflowStep.queue, WorkflowStep.released_at),
    *(WorkflowStep.started_at, WorkflowStep.finished_at, WorkflowStep.undo),
    *(WorkflowStep.undo_state, WorkflowStep.undo_attempt, WorkflowStep.undo_error),
    *(WorkflowStep.undo_started_at, WorkflowStep.undo_finished_at),
)
_BRIEF_JOB = Bundle[Any](
    "job",
    *(DurableJob.id, DurableJob.state, DurableJob.progress, DurableJob.progress_text),
    *(DurableJob.started_at, DurableJob.tries),
)


async def steps(
    session: AsyncSession, workflow_id: UUID, key: str | None = None
) -> Sequence[Row[WorkflowStep, DurableJob | None, UUID | None]]:
    """Return a run's steps, or the one of this key, each with its job and its own latest run."""
    statement = (
        select(WorkflowStep, DurableJob, _own_run())
        .join_from(WorkflowStep, DurableJob, _is_its_job(), isouter=True)
        .where(WorkflowStep.workflow_id == workflow_id)
        .order_by(WorkflowStep.position)
    )
    if key is not None:
        statement = statement.where(WorkflowStep.key == key)
    return (await session.execute(statement)).all()


async def steps_in_brief(
    session: AsyncSession, workflow_id: UUID
) -> list[tuple[Any, Any, UUID | None]]:
    """Return a run's steps as `steps` does, without what can be large, and much faster."""
    found = await session.execute(
        select(_BRIEF_STEP, _BRIEF_JOB, _own_run())
        .join_from(WorkflowStep, DurableJob, _is_its_job(), isouter=True)
        .where(WorkflowStep.workflow_id == workflow_id)
        .order_by(WorkflowStep.position)
    )
    return [(step, None if job.id is None else job, run) for step, job, run in found]


def _own_run() -> ColumnElement[UUID | None]:
    """Return the latest run of a step that is a workflow."""
    child = (
        select(Workflow.id)
        .where(Workflow.parent_step == WorkflowStep.id)
        .order_by(Workflow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return case((WorkflowStep.job.is_(None), child), else_=null())


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete runs that ended before, with all that is inside them; return how many."""
    old = select(Workflow.id).where(Workflow.parent_step.is_(None), Workflow.finished_at < before)
    found = await session.scalars(
        delete(Workflow).where(Workflow.root_id.in_(old)).returning(Workflow.parent_step)
    )
    return sum(parent is None for parent in found)


async def parent_of(session: AsyncSession, step_id: UUID) -> UUID | None:
    """Return the run that a step belongs to."""
    owner = select(WorkflowStep.workflow_id).where(WorkflowStep.id == step_id)
    return await session.scalar(owner)


async def durations(session: AsyncSession, name: str) -> dict[str, float]:
    """Return the median seconds from release to end of each step in the latest runs of a name."""
    past = (
        select(Workflow.id)
        .where(Workflow.name == name, Workflow.state == WorkflowState.SUCCEEDED)
        .order_by(Workflow.id.desc())
        .limit(PAST_RUNS)
    )
    taken = func.extract("epoch", WorkflowStep.finished_at - WorkflowStep.released_at)
    found = await session.execute(
        select(WorkflowStep.key, func.percentile_cont(0.5).within_group(taken))
        .where(
            WorkflowStep.workflow_id.in_(past),
            WorkflowStep.state == StepState.SUCCEEDED,
            WorkflowStep.released_at.is_not(None),
        )
        .group_by(WorkflowStep.key)
    )
    return {key: float(seconds) for key, seconds in found}


async def current(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Row[UUID, str, int]]:
    """Return of each run the first step that runs, and how many do; nothing where none does."""
    s = WorkflowStep
    together = func.count().over(partition_by=s.workflow_id)
    found = await session.execute(
        select(s.workflow_id, s.key, together)
        .where(one_of(s.workflow_id, ids), s.state == StepState.RUNNING)
        .order_by(s.workflow_id, s.position)
        .ext(distinct_on(s.workflow_id))
    )
    return {row[0]: row for row in found}


async def usual_seconds(session: AsyncSession, names: Collection[str]) -> dict[str, float]:
    """Return the median seconds that the latest runs of each name took that succeeded."""
    name = func.unnest(cast(list(names), ARRAY(Text))).table_valued("name").alias("wanted")
    past = (
        select(func.extract("epoch", Workflow.finished_at - Workflow.started_at).label("taken"))
        .where(Workflow.name == name.c.name, Workflow.state == WorkflowState.SUCCEEDED)
        .order_by(Workflow.id.desc())
        .limit(PAST_RUNS)
        .lateral()
    )
    median = func.percentile_cont(0.5).within_group(past.c.taken)
    chosen = select(name.c.name, median).select_from(name).join(past, true())
    found = await session.execute(chosen.where(past.c.taken.is_not(None)).group_by(name.c.name))
    return {each: float(seconds) for each, seconds in found}


async def outputs_in_brief(
    session: AsyncSession, workflow_id: UUID, keys: Collection[str], length: int
) -> dict[str, str]:
    """Return the beginnings of what steps of a run returned."""
    s = WorkflowStep
    brief = func.left(cast(s.result, Text), length)
    wanted = s.key == any_(literal(list(keys), ARRAY(Text)))
    chosen = select(s.key, brief).where(s.workflow_id == workflow_id, wanted)
    return {key: text for key, text in await session.execute(chosen) if text is not None}
