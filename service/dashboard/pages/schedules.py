"""Schedules: what runs again and again, when, and what became of it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Caller, Scope
from service.dashboard.schedules import form, views
from service.dashboard.view import JobsOperator, JobsReader, View
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound
from service.kit.pagination import Page, decode_cursor
from service.schedules import queries, routes
from service.schedules.schemas import ScheduleChange, ScheduleIn, ScheduleOut
from service.web import Once

router = APIRouter(include_in_schema=False)
PAGE = 25
BARS = 30
"""Runs in a sparkline."""
RUNS = 50
COMING = 10
PREVIEWED = 5
SHOW = {"": None, "paused": True, "active": False}
Text = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]
Act = Callable[[UUID, Caller, UnitOfWork], Awaitable[object]]


@router.get("/schedules")
async def show_all(view: JobsReader, q: Text = "", show: Text = "", cursor: Text = "") -> Response:
    """Show every periodic job, the code's and one's own."""
    page = Page(PAGE, decode_cursor(cursor) if cursor else None)
    async with view.runtime.unit_of_work() as uow:
        session = uow.session
        found = await queries.list_schedules(
            session, view.caller, page, q.strip(), paused=SHOW.get(show)
        )
        rows = await queries.outcomes(session, [item.id for item in found.items], BARS)
        beat = await queries.last_beat(session)
    return await view.page(
        "schedules.html",
        schedules=views.shown(map(routes.show, found.items), rows),
        next_cursor=found.next_cursor,
        beat=beat,
        late=beat is None or beat > views.TICKER_LATE,
        q=q,
        show=show if show in SHOW else "",
        may_operate=view.caller.may(Scope.JOBS_OPERATE),
    )


@router.get("/schedules/new")
async def ask(view: JobsOperator) -> Response:
    """Show the form of a new schedule."""
    values = {**form.START, "zone": view.runtime.settings.timezone}
    return await _form(view, None, form.Filled(values))


@router.post("/schedules/new")
async def make(view: JobsOperator) -> Response:
    """Make a schedule, or only show when it would run."""
    values = form.typed(view.form)
    if "preview" in view.form:
        return await _form(view, None, form.Filled(values))
    try:
        body = form.body(ScheduleIn, values, paused=bool(values["paused"]))
        async with view.runtime.unit_of_work() as uow:
            once = Once(uow, view.caller, None)
            await routes.create(body, view.caller, view.runtime, uow, once)
            (made,) = (
                schedule
                for schedule in await queries.named(uow.session, view.caller, body.name)
                if schedule.owner_id == view.caller.user_id
            )
    except InvalidInput as error:
        return await _form(view, None, form.Filled(values, form.messages(error)), 422)
    return view.go(f"/schedules/{made.id}", f"Schedule '{body.name}' is made")


@router.get("/schedules/preview")
async def preview(view: JobsReader, cron: str = "", zone: str = "", job: str = "") -> Response:
    """Show what a line means and when it runs next, while it is typed."""
    return await view.page("schedules_preview.html", **_preview(cron, zone, job))


@router.get("/schedules/{schedule_id}")
async def show_one(view: JobsReader, schedule_id: UUID) -> Response:
    """Show a schedule, its next runs and its last ones."""
    async with view.runtime.unit_of_work() as uow:
        schedule = await _found(view, uow, schedule_id)
        rows = await queries.outcomes(uow.session, [schedule_id], RUNS)
    (shown,) = views.shown([schedule], rows)
    return await view.page(
        "schedule.html",
        shown=shown,
        schedule=schedule,
        arguments=form.written(schedule.arguments),
        bars=shown.bars[-BARS:],
        summary=views.summary(run.outcome for run in shown.runs[:BARS]),
        coming=views.coming(schedule, COMING),
        misfires=dict(views.MISFIRES),
        overlaps=dict(views.OVERLAPS),
        may_operate=view.caller.may(Scope.JOBS_OPERATE),
    )


@router.get("/schedules/{schedule_id}/edit")
async def ask_changes(view: JobsOperator, schedule_id: UUID) -> Response:
    """Show the form of a schedule."""
    schedule = await _own(view, schedule_id)
    return await _form(view, schedule, form.Filled(form.of(schedule)))


@router.post("/schedules/{schedule_id}/edit")
async def change(view: JobsOperator, schedule_id: UUID) -> Response:
    """Change a schedule, or only show when it would run."""
    schedule, values = await _own(view, schedule_id), form.typed(view.form)
    if "preview" in view.form:
        return await _form(view, schedule, form.Filled(values))
    try:
        body = form.body(ScheduleChange, values)
        async with view.runtime.unit_of_work() as uow:
            await routes.change(schedule_id, body, view.caller, uow)
    except InvalidInput as error:
        return await _form(view, schedule, form.Filled(values, form.messages(error)), 422)
    return view.go(f"/schedules/{schedule_id}", f"Schedule '{body.name}' is changed")


@router.post("/schedules/{schedule_id}/pause")
async def pause(view: JobsOperator, schedule_id: UUID) -> Response:
    """Let no tick fire."""
    return await _act(view, schedule_id, routes.pause, "It is paused: it will not run by itself")


@router.post("/schedules/{schedule_id}/resume")
async def resume(view: JobsOperator, schedule_id: UUID) -> Response:
    """Let it tick again."""
    return await _act(view, schedule_id, routes.resume, "It runs again, from its next time on")


@router.post("/schedules/{schedule_id}/run")
async def run_now(view: JobsOperator, schedule_id: UUID) -> Response:
    """Run the job now."""

    async def act(schedule_id: UUID, caller: Caller, uow: UnitOfWork) -> object:
        return await routes.run_now(schedule_id, caller, uow, Once(uow, caller, None))

    return await _act(view, schedule_id, act, "Its job is sent: it is the first of the last runs")


@router.get("/schedules/{schedule_id}/delete")
async def ask_deletion(view: JobsOperator, schedule_id: UUID) -> Response:
    """Say what will be deleted."""
    return await view.page("schedule_delete.html", schedule=await _own(view, schedule_id))


@router.post("/schedules/{schedule_id}/delete")
async def delete(view: JobsOperator, schedule_id: UUID) -> Response:
    """Delete a schedule."""
    schedule = await _own(view, schedule_id)
    if view.form.get("confirmed") != "yes":
        return await view.page("schedule_delete.html", schedule=schedule)
    async with view.runtime.unit_of_work() as uow:
        await routes.delete(schedule_id, view.caller, uow)
    return view.go("/schedules", f"Schedule '{schedule.name}' is deleted")


async def _act(view: View, schedule_id: UUID, act: Act, text: str) -> Response:
    """Do something to a schedule and go back to where that was asked for."""
    back = view.back(f"/schedules/{schedule_id}")
    try:
        async with view.runtime.unit_of_work() as uow:
            schedule = await _found(view, uow, schedule_id)
            await act(schedule_id, view.caller, uow)
    except (Conflict, InvalidInput) as error:
        return view.refused(back, error)
    return view.go(back, f"{schedule.name}: {text}")


async def _form(
    view: View, schedule: ScheduleOut | None, filled: form.Filled, status: int = 200
) -> Response:
    values = filled.values
    shown = _preview(values["cron"], values["zone"], values["job"])
    if "cron" in filled.problems or "zone" in filled.problems:
        shown["problem"] = ""  # it is said at the field
    return await view.page(
        "schedule_form.html",
        status,
        schedule=schedule,
        values=values,
        problems=filled.problems,
        jobs=form.jobs(),
        zones=form.zones(),
        misfires=views.MISFIRES,
        overlaps=views.OVERLAPS,
        **shown,
    )


def _preview(cron: str, zone: str, job: str) -> dict[str, Any]:
    """Return what the preview shows."""
    chosen = next((found for found in form.jobs() if found.name == job), None)
    shown: dict[str, Any] = {
        "in_words": "",
        "ticks": [],
        "problem": "",
        "chosen": chosen,
        "takes": form.takes(chosen) if chosen else "",
        "zone_name": zone or "UTC",
    }
    if cron.strip():
        try:
            shown["ticks"] = views.preview(cron, zone or "UTC", PREVIEWED)
            shown["in_words"] = views.in_words(cron)
        except ValueError as error:
            shown["problem"] = str(error)
    return shown


async def _found(view: View, uow: UnitOfWork, schedule_id: UUID) -> ScheduleOut:
    found = await queries.schedule(uow.session, view.caller, schedule_id)
    if found is None:
        raise NotFound("There is no such schedule")
    return routes.show(found)


async def _own(view: View, schedule_id: UUID) -> ScheduleOut:
    """Return a schedule that can be changed."""
    async with view.runtime.unit_of_work() as uow:
        schedule = await _found(view, uow, schedule_id)
    if schedule.static:
        raise Conflict(
            f"'{schedule.name}' is part of the code: it can be paused, resumed and run; "
            "ALMANAC_SCHEDULES changes when it runs"
        )
    return schedule
