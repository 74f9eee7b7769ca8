"""SQL that moves workflows on. The lock of the outermost workflow is held meanwhile.

A step ends by one guarded UPDATE; only what matched counts down its workflow and its followers, so
that a repeated end changes nothing and the last of many releases their successor once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.outbox import OPEN, DurableJob
from service.workflows.models import (
    ACTIVE,
    UNFINISHED,
    StepState,
    Workflow,
    WorkflowState,
    WorkflowStep,
)
from service.workflows.queries import job_id, one_of


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How the job of a step ended, or the workflow that it is."""

    step_id: UUID
    attempt: int
    state: str
    result: Any = None
    error: str | None = None


_END = text("""
    UPDATE workflow_steps AS s
    SET state = e.state, result = CAST(e.result AS json), error = e.error, finished_at = now(),
        started_at = COALESCE(j.started_at, s.released_at),
        progress = GREATEST(s.progress, COALESCE(j.progress, 0)),
        text = COALESCE(j.progress_text, s.text)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS int[]), CAST(:states AS text[]),
                CAST(:results AS text[]), CAST(:errors AS text[]))
             AS e(id, attempt, state, result, error)
         LEFT JOIN durable_jobs AS j ON j.id = concat('step:', e.id, ':', e.attempt)
    WHERE s.id = e.id AND s.attempt = e.attempt AND s.state = 'running'
    RETURNING s.id, s.workflow_id, s.key, s.state, s.followers, s.error
""")
_COUNT_FOLLOWERS = text("""
    UPDATE workflow_steps AS s
    SET missing = s.missing - f.ended,
        state = CASE WHEN s.missing = f.ended AND s.state = 'waiting' THEN 'running'
                     ELSE s.state END,
        released_at = CASE WHEN s.missing = f.ended AND s.state = 'waiting' THEN now()
                           ELSE s.released_at END
    FROM (SELECT id, count(*) AS ended FROM unnest(CAST(:ids AS uuid[])) AS id GROUP BY id) AS f
    WHERE s.id = f.id
    RETURNING s.id, s.missing = 0 AND s.state = 'running' AS released
""")
_BEHIND = text("""
    WITH RECURSIVE behind AS (
        SELECT unnest(followers) AS id FROM workflow_steps WHERE id = ANY(CAST(:ids AS uuid[]))
        UNION
        SELECT unnest(s.followers) FROM workflow_steps AS s JOIN behind ON s.id = behind.id
    )
    UPDATE workflow_steps AS s SET state = 'skipped', finished_at = now()
    FROM behind WHERE s.id = behind.id AND s.state = 'waiting'
    RETURNING s.id
""")


def begun(step_ids: Collection[UUID]) -> Executable:
    """Return the UPDATE that lets outermost workflows run of which these steps begin."""
    w, root = Workflow, aliased(Workflow)
    waiting = (
        select(root.id)
        .join(w, w.root_id == root.id)
        .join(WorkflowStep, WorkflowStep.workflow_id == w.id)
        .where(one_of(WorkflowStep.id, step_ids), root.state == WorkflowState.PENDING)
        # Locked is what ends a step at this moment, and writes the same.
        .with_for_update(of=root, skip_locked=True)
    )
    running = {"state": WorkflowState.RUNNING, "started_at": func.now()}
    return update(w).where(w.id.in_(waiting)).values(**running)


async def lock(session: AsyncSession, step_ids: Collection[UUID]) -> None:
    """Lock the outermost workflows of these steps, in one order, until the transaction ends."""
    roots = (
        select(Workflow.root_id)
        .join(WorkflowStep, WorkflowStep.workflow_id == Workflow.id)
        .where(one_of(WorkflowStep.id, step_ids))
    )
    locking = select(Workflow.id).where(Workflow.id.in_(roots)).order_by(Workflow.id)
    await session.execute(locking.with_for_update())


async def end_steps(session: AsyncSession, ends: Sequence[StepEnd]) -> Sequence[Row[Any]]:
    """End steps that run in this attempt; return those: id, workflow_id, key, state, followers."""
    encoded = (None if e.result is None else msgspec.json.encode(e.result).decode() for e in ends)
    values = {
        "ids": [end.step_id for end in ends],
        "attempts": [end.attempt for end in ends],
        "states": [end.state for end in ends],
        "results": list(encoded),
        "errors": [end.error for end in ends],
    }
    return (await session.execute(_END, values)).all()


async def count_down(session: AsyncSession, workflow_id: UUID, ended: int) -> Row[Any]:
    """Count ended steps off a workflow; return it as it is then."""
    w = Workflow
    pending = w.state == WorkflowState.PENDING
    found = await session.execute(
        update(w)
        .where(w.id == workflow_id)
        .values(
            remaining=w.remaining - ended,
            state=case((pending, WorkflowState.RUNNING.value), else_=w.state),
            started_at=func.coalesce(w.started_at, func.now()),
        )
        .returning(*w.__table__.columns)
    )
    return found.one()


async def count_followers(session: AsyncSession, ids: Iterable[UUID]) -> list[UUID]:
    """Tell steps that one before them succeeded, each as often as it is named.

    Returns those that wait for nothing any more; they are running now.
    """
    found = await session.execute(_COUNT_FOLLOWERS, {"ids": list(ids)})
    return [row.id for row in found if row.released]


async def skip_behind(session: AsyncSession, ids: Collection[UUID]) -> int:
    """Skip what waits for these steps, however far behind; return how many."""
    return len((await session.execute(_BEHIND, {"ids": list(ids)})).all())


async def end_waiting(session: AsyncSession, workflow_id: UUID, state: StepState) -> int:
    """Skip or cancel all steps that wait; return how many."""
    s = WorkflowStep
    found = await session.execute(
        update(s)
        .where(s.workflow_id == workflow_id, s.state == StepState.WAITING)
        .values(state=state, finished_at=func.now())
        .returning(s.id)
    )
    return len(found.all())


async def to_release(session: AsyncSession, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """Return steps as their release needs them, in their order."""
    columns = WorkflowStep.__table__.columns
    chosen = select(*columns).where(one_of(WorkflowStep.id, ids))
    return (await session.execute(chosen.order_by(WorkflowStep.position))).all()


async def outputs(
    session: AsyncSession, workflow_id: UUID, keys: Collection[str]
) -> dict[str, Any]:
    """Return what these steps returned."""
    s = WorkflowStep
    found = await session.execute(
        select(s.key, s.result).where(s.workflow_id == workflow_id, s.key.in_(keys))
    )
    return {key: result for key, result in found}  # noqa: C416 - rows are no pairs to mypy


async def last_steps(session: AsyncSession, workflow_id: UUID) -> list[str]:
    """Return the keys of up to two steps that nothing comes after."""
    s = WorkflowStep
    last = select(s.key).where(s.workflow_id == workflow_id, func.cardinality(s.followers) == 0)
    return list(await session.scalars(last.limit(2)))


async def current(session: AsyncSession, workflow_id: UUID) -> Row[Any]:
    """Return a workflow as it is in this transaction."""
    columns = Workflow.__table__.columns
    return (await session.execute(select(*columns).where(Workflow.id == workflow_id))).one()


async def end_states(session: AsyncSession, workflow_id: UUID) -> list[tuple[str, str, str | None]]:
    """Return state, key and error of up to ten steps that did not succeed, failed ones first."""
    s = WorkflowStep
    found = await session.execute(
        select(s.state, s.key, s.error)
        .where(s.workflow_id == workflow_id, s.state != StepState.SUCCEEDED)
        .order_by(s.state != StepState.FAILED, s.position)
        .limit(10)
    )
    return [(row.state, row.key, row.error) for row in found]


async def close(
    session: AsyncSession,
    workflow_id: UUID,
    state: WorkflowState,
    *,
    output: Any = None,
    error: str | None = None,
) -> None:
    """Give a workflow a state, with its end if it is one."""
    ended = state is not WorkflowState.UNDOING
    values = {"state": state, "output": output, "error": error, "cancelling": False}
    moment = {"finished_at": func.now() if ended else None}
    await session.execute(
        update(Workflow).where(Workflow.id == workflow_id).values(**values, **moment)
    )


async def raise_progress(session: AsyncSession, step_id: UUID, percent: int) -> None:
    """Tell a step how far its own workflow is."""
    s = WorkflowStep
    raised = func.greatest(s.progress, percent)
    await session.execute(update(s).where(s.id == step_id).values(progress=raised))


async def inside(session: AsyncSession, workflow_id: UUID) -> list[UUID]:
    """Return a workflow and all that are steps of it, however deep."""
    tree = select(Workflow.id).where(Workflow.id == workflow_id).cte("tree", recursive=True)
    s = WorkflowStep
    deeper = (
        select(Workflow.id)
        .join(s, s.id == Workflow.parent_step)
        .join(tree, tree.c.id == s.workflow_id)
    )
    return list(await session.scalars(select(tree.union_all(deeper).c.id)))


async def begin_cancel(session: AsyncSession, ids: Collection[UUID]) -> list[UUID]:
    """Mark those of these workflows as cancelled that have not ended; return them."""
    w = Workflow
    found = await session.scalars(
        update(w)
        .where(one_of(w.id, ids), w.state.in_(ACTIVE))
        .values(cancelling=True)
        .returning(w.id)
    )
    return list(found)


async def running_steps(session: AsyncSession, ids: Collection[UUID]) -> Sequence[Row[UUID, int]]:
    """Return id and attempt of the steps of these workflows whose jobs are under way."""
    s = WorkflowStep
    chosen = select(s.id, s.attempt).where(
        one_of(s.workflow_id, ids), s.state == StepState.RUNNING, s.job.is_not(None)
    )
    return (await session.execute(chosen)).all()


async def close_jobs(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Cancel those of these durable jobs that nobody runs; return them."""
    j = DurableJob
    free = or_(j.claimed_until.is_(None), j.claimed_until < func.now())
    waiting = select(j.id).where(j.id.in_(ids), j.state.in_(OPEN), free)
    # A row that somebody has locked is being claimed: waiting for it could wait for each other.
    mine = waiting.with_for_update(skip_locked=True).cte("mine")
    found = await session.scalars(
        update(j)
        .where(j.id == mine.c.id)
        .values(state="cancelled", claim_token=None, claimed_until=None, finished_at=func.now())
        .returning(j.id)
    )
    return set(found)


async def reopen(session: AsyncSession, workflow_id: UUID) -> list[UUID]:
    """Let a workflow that has ended go on; return its steps that can run now.

    What succeeded stays; the rest waits again, or runs in its next attempt if nothing is missing.
    """
    s = WorkflowStep
    ready = s.missing == 0
    found = await session.execute(
        update(s)
        .where(s.workflow_id == workflow_id, s.state.in_(UNFINISHED))
        .values(
            state=case((ready, StepState.RUNNING.value), else_=StepState.WAITING.value),
            attempt=s.attempt + case((ready, 1), else_=0),
            released_at=case((ready, func.now()), else_=None),
            started_at=None,
            finished_at=None,
            error=None,
        )
        .returning(s.id, s.state)
    )
    rows = found.all()
    values = {"remaining": len(rows), "error": None, "finished_at": None, "cancelling": False}
    await session.execute(
        update(Workflow)
        .where(Workflow.id == workflow_id)
        .values(state=WorkflowState.RUNNING, **values)
    )
    return [row.id for row in rows if row.state == StepState.RUNNING]


async def latest_run(session: AsyncSession, step_id: UUID) -> UUID | None:
    """Return the workflow that a step is, if it was begun."""
    own = select(Workflow.id).where(Workflow.parent_step == step_id)
    return await session.scalar(own.order_by(Workflow.id.desc()).limit(1))


async def lost_ends(session: AsyncSession, limit: int) -> Sequence[Row[Any]]:
    """Return ended durable jobs whose steps have not heard of it: id, state, result, error."""
    s, j = WorkflowStep, DurableJob
    # No parameter, so that the partial index is seen to fit.
    running: ColumnElement[str] = literal_column("'running'")
    runs = and_(s.state == running, j.id == job_id("step", s.attempt))
    undoes = and_(s.undo_state == running, j.id == job_id("undo", s.undo_attempt))
    columns = (j.id, j.state, j.result, j.error)
    ended = j.state.not_in(OPEN)
    return [
        *await session.execute(select(*columns).join(s, runs).where(ended).limit(limit)),
        *await session.execute(select(*columns).join(s, undoes).where(ended).limit(limit)),
    ]
