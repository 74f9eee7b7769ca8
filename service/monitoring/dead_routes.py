"""HTTP of dead jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.kit.pagination import DEFAULT_LIMIT, MAX_LIMIT
from service.monitoring import dead, schemas
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
    return await dead.page(runtime, wanted, limit, cursor)


@router.post("/replay")
async def replay_dead(
    selection: schemas.DeadSelection, caller: JobsOperator, runtime: Opened
) -> schemas.ReplayedOut:
    """Let dead jobs run again, as if they had never run."""
    done = await dead.replay(runtime, caller, dead.wanted_of(selection))
    return schemas.ReplayedOut(replayed=done.replayed, left=done.left)


@router.post("/discard")
async def discard_dead(
    selection: schemas.DeadSelection, caller: JobsOperator, runtime: Opened
) -> schemas.DiscardedOut:
    """Forget dead jobs for good; the history still tells of their runs."""
    discarded = await dead.discard(runtime, dead.wanted_of(selection))
    return schemas.DiscardedOut(discarded=discarded)
