"""HTTP of dead jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.kit.pagination import DEFAULT_LIMIT, MAX_LIMIT
from service.monitoring import auditing, dead, dead_steering, schemas
from service.monitoring.dead_queries import Wanted
from service.monitoring.schemas import Line
from service.web import ERRORS, JobsOperator, JobsReader, Opened

router = APIRouter(prefix="/v1/dead", tags=["dead jobs"], responses=ERRORS)
Text = Annotated[Line | None, Query()]


@router.get("")
async def list_dead(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    caller: JobsReader,
    runtime: Opened,
    name: Text = None,
    queue: Text = None,
    error: Annotated[Line | None, Query(description="Class of the last error")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Jobs wanted")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> schemas.DeadList:
    """List jobs that will not be retried by themselves, the latest first."""
    wanted = Wanted(name=name, queue=queue, error=error)
    return await dead.page(runtime, caller, wanted, limit, cursor)


@router.post("/replay")
async def replay_dead(
    selection: schemas.DeadSelection, caller: JobsOperator, runtime: Opened
) -> schemas.ReplayedOut:
    """Let dead jobs run again, as if they had never run."""
    wanted = dead.wanted_of(selection)
    told = selection.model_dump(exclude_defaults=True)
    await auditing.note(runtime, caller, "dead.replay", "dead jobs", **told)
    done = await dead_steering.replay(runtime, caller, wanted)
    refused = [schemas.RefusedOut(id=job_id, reason=why) for job_id, why in done.refused.items()]
    return schemas.ReplayedOut(replayed=done.replayed, left=done.left, refused=refused)


@router.post("/discard")
async def discard_dead(
    selection: schemas.DeadSelection, caller: JobsOperator, runtime: Opened
) -> schemas.DiscardedOut:
    """Forget dead jobs for good; the history still tells of their runs."""
    wanted = dead.wanted_of(selection)
    told = selection.model_dump(exclude_defaults=True)
    await auditing.note(runtime, caller, "dead.discard", "dead jobs", **told)
    discarded = await dead_steering.discard(runtime, caller, wanted)
    return schemas.DiscardedOut(discarded=discarded)
