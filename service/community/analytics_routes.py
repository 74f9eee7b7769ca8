"""HTTP of what is counted of the community."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from service.community import figure_actions as actions
from service.community import figure_schemas as schemas
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Uow

router = APIRouter(prefix="/v1", tags=["community"], responses=ERRORS)

Day = Annotated[date, Path(description="A day of UTC, as 2026-11-22")]
From = Annotated[
    date | None, Query(alias="from", description="The first day; by default 29 days before `to`")
]
To = Annotated[date | None, Query(description="The last day; by default today")]


@router.post("/feed/cleanup", status_code=202, response_model=schemas.Asked)
async def clean(
    body: schemas.CleanupIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Count, archive or delete posts older than a year that nobody cared for.

    That is: no like, comment or share, and fewer than 10 views. The job's result has the counts.
    """
    return await once.reply(schemas.Asked(job_id=await actions.clean(uow, caller, body)), 202)


@router.get("/analytics/daily")
async def list_days(
    caller: ContentReader, uow: Uow, begin: From = None, to: To = None
) -> schemas.DayList:
    """List what happened on each day, the newest first."""
    found = await actions.days(uow.session, begin, to)
    return schemas.DayList(items=[schemas.DayOut.model_validate(day) for day in found])


@router.get("/analytics/daily/{day}")
async def show_day(day: Day, caller: ContentReader, uow: Uow) -> schemas.DayOut:
    """Show what happened on a day."""
    return schemas.DayOut.model_validate(await actions.day(uow.session, day))


@router.post("/analytics/daily/{day}", status_code=202, response_model=schemas.Asked)
async def count_day(day: Day, caller: ContentWriter, uow: Uow, once: OnceOnly) -> JSONResponse:
    """Count a day anew, in the place of what was counted before."""
    return await once.reply(schemas.Asked(job_id=await actions.analyse(uow, caller, day)), 202)
