"""HTTP of schedules."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.schedules import actions, queries, schemas
from service.schedules.models import Schedule
from service.web import ERRORS, JobsOperator, JobsReader, OnceOnly, Opened, Paging, Uow

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], responses=ERRORS)
RUNS = 50
"""Ticks that a schedule is shown with."""


@router.post("", status_code=201, response_model=schemas.ScheduleOut)
async def create(
    body: schemas.ScheduleIn, caller: JobsOperator, runtime: Opened, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Run a job again and again."""
    made = await actions.create(uow.session, caller, body, runtime.settings.timezone)
    await _note(uow, caller, "create", made.id, name=made.name, job=made.job)
    return await once.reply(show(made))


@router.get("")
async def list_schedules(
    caller: JobsReader, runtime: Opened, page: Paging, uow: Uow
) -> schemas.ScheduleList:
    """List every periodic job, the code's and yours, newest first."""
    rows = await queries.list_schedules(uow.session, caller, page)
    return schemas.ScheduleList(
        items=[show(schedule) for schedule in rows.items],
        next_cursor=rows.next_cursor,
        ticker_age=await queries.last_beat(uow.session),
        timezone=runtime.settings.timezone,
    )


@router.get("/{schedule_id}")
async def show_schedule(schedule_id: UUID, caller: JobsReader, uow: Uow) -> schemas.ScheduleDetail:
    """Show a schedule and what became of its latest ticks."""
    found = await queries.schedule(uow.session, caller, schedule_id)
    if found is None:
        raise NotFound("There is no such schedule")
    runs = await queries.last_runs(uow.session, found.id, RUNS)
    shown = [schemas.RunOut.model_validate(run) for run in runs]
    return schemas.ScheduleDetail(**show(found).model_dump(), runs=shown)


@router.patch("/{schedule_id}")
async def change(
    schedule_id: UUID, body: schemas.ScheduleChange, caller: JobsOperator, uow: Uow
) -> schemas.ScheduleOut:
    """Change a schedule; its next tick is the first after now."""
    changed = await actions.change(uow.session, caller, schedule_id, body)
    await _note(uow, caller, "change", schedule_id, fields=sorted(body.model_fields_set))
    return show(changed)


@router.delete("/{schedule_id}", status_code=204)
async def delete(schedule_id: UUID, caller: JobsOperator, uow: Uow) -> Response:
    """Delete a schedule; jobs that it has sent stay."""
    await actions.delete(uow.session, caller, schedule_id)
    await _note(uow, caller, "delete", schedule_id)
    return Response(status_code=204)


@router.post("/{schedule_id}/pause")
async def pause(schedule_id: UUID, caller: JobsOperator, uow: Uow) -> schemas.ScheduleOut:
    """Let no tick fire until the schedule is resumed."""
    paused = await actions.pause(uow.session, caller, schedule_id)
    await _note(uow, caller, "pause", schedule_id)
    return show(paused)


@router.post("/{schedule_id}/resume")
async def resume(schedule_id: UUID, caller: JobsOperator, uow: Uow) -> schemas.ScheduleOut:
    """Let the schedule tick again, from now on; nothing is made up for."""
    resumed = await actions.resume(uow.session, caller, schedule_id)
    await _note(uow, caller, "resume", schedule_id)
    return show(resumed)


@router.post("/{schedule_id}/run", status_code=202, response_model=schemas.FiredOut)
async def run_now(
    schedule_id: UUID, caller: JobsOperator, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Run the job now, whatever the time. `GET /v1/jobs/{job_id}?wait=30` waits for its end."""
    job_id = await actions.run_now(uow, caller, schedule_id)
    await _note(uow, caller, "run", schedule_id, job=job_id)
    return await once.reply(schemas.FiredOut(id=schedule_id, job_id=job_id), status=202)


async def _note(
    uow: UnitOfWork, caller: Caller, verb: str, schedule_id: UUID, **detail: object
) -> None:
    subject = f"schedule:{schedule_id}"
    await note(uow.session, caller.actor, f"schedules.{verb}", subject, **detail)


def show(schedule: Schedule) -> schemas.ScheduleOut:
    """Return a schedule as the API shows it."""
    return schemas.ScheduleOut(
        id=schedule.id,
        name=schedule.name,
        static=schedule.owner_id is None,
        job=schedule.job,
        arguments=schedule.arguments,
        queue=schedule.queue,
        cron=schedule.line,
        zone=schedule.zone,
        stride=schedule.stride,
        misfire=schedule.misfire,
        grace=schedule.grace,
        overlap=schedule.overlap,
        jitter=schedule.jitter,
        paused=schedule.paused,
        version=schedule.version,
        last_tick_at=schedule.last_tick_at,
        last_job_id=schedule.last_job_id,
        run_count=schedule.run_count,
        next_tick_at=schedule.next_tick_at,
        created_at=schedule.created_at,
    )
