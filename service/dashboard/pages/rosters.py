"""Duty rosters: a week of all projects, and how the roster of another day is made."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard import filled
from service.dashboard.pages import roster
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import Conflict, InvalidInput, NotFound
from service.kit.clock import now
from service.kit.pagination import Page
from service.rosters import actions, queries, routes, rules
from service.rosters.models import Roster
from service.rosters.queries import Wanted
from service.rosters.rules import EARLIEST, LATEST
from service.rosters.schemas import RosterIn, RosterOut
from service.web import Uow

router = APIRouter(include_in_schema=False)
WEEK = timedelta(days=7)
MOST = 350
"""Rosters of a week that are shown: of 50 projects."""
COPIED = 20
"""Rosters that a new one can be copied from."""
FIELDS = ("day", "project", "notes", "copy_from")
Text = Annotated[str, Query(max_length=100)]


@router.get("/rosters")
async def show_week(view: ContentReader, uow: Uow, week: Text = "", project: Text = "") -> Response:
    """Show the rosters of a week: projects by days."""
    today = _today(view)
    monday = _monday(_day(week) or today)
    days = [monday + timedelta(days=n) for n in range(7)]
    wanted = Wanted(days[0], days[-1], project.replace("\x00", "") or None)
    found = await queries.by_day(uow.session, view.caller, wanted, MOST + 1)
    shown = await routes.shown(uow.session, found[:MOST])
    return await view.page(
        "rosters.html",
        days=days,
        today=today,
        projects=_by_project(shown),
        project=wanted.project,
        more=len(found) > MOST,
        overdue=await queries.count_open(uow.session, view.caller, today),
        locks_at=roster.next_lock(view.runtime.settings, now()),
        site_zone=view.runtime.settings.site_zone,
        last_week=_path(max(monday - WEEK, _monday(EARLIEST)), wanted.project),
        next_week=_path(min(monday + WEEK, _monday(LATEST)), wanted.project),
        path=_path(monday),
        file="/v1/rosters.csv?" + _query(days[0], days[-1], wanted.project),
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/rosters/new")
async def begin(
    view: ContentWriter, uow: Uow, day: Text = "", project: Text = "", copy: Text = ""
) -> Response:
    """Show the form of a new roster."""
    source = await _source(view, uow, copy)
    values = {
        "day": str(_day(day) or (source.day + timedelta(days=1) if source else _today(view))),
        "project": project or (source.project if source else ""),
        "notes": "",
        "copy_from": str(source.id) if source else "",
    }
    return await _form(view, uow, values)


@router.post("/rosters/new")
async def create(view: ContentWriter, uow: Uow) -> Response:
    """Make a roster."""
    values = {name: str(view.form.get(name, "")).strip() for name in FIELDS}
    try:
        body = filled.body(RosterIn, {**values, "copy_from": values["copy_from"] or None})
        async with view.runtime.unit_of_work() as own:
            made = await actions.create(own.session, view.caller, body)
    except InvalidInput as error:
        problems = filled.problems(error)
        if "day" in problems:
            problems["day"] = f"Give a day from {EARLIEST} to {LATEST}, such as 2026-11-24"
        return await _form(view, uow, values, problems, 422)
    except Conflict as error:
        return await _form(view, uow, values, {"project": error.message}, error.status)
    except NotFound:
        problem = {"copy_from": "This roster is not there any more"}
        return await _form(view, uow, values, problem, 422)
    return view.go(f"/rosters/{made.id}", "The roster is made")


async def _form(
    view: View,
    uow: Uow,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    latest = (await queries.list_rosters(uow.session, view.caller, Wanted(), Page(COPIED))).items
    source = await _source(view, uow, values["copy_from"])
    if source is not None and source.id not in {each.id for each in latest}:
        latest.append(source)
    sources = [
        each
        for each in await routes.shown(uow.session, latest)
        if sum(each.counts.values()) or str(each.id) == values["copy_from"]
    ]
    return await view.page(
        "roster_new.html",
        status,
        form=values,
        problems=problems or {},
        sources=sources,
        projects=sorted({each.project for each in latest}),
        earliest=EARLIEST,
        latest=LATEST,
    )


async def _source(view: View, uow: Uow, text: str) -> Roster | None:
    """Return the roster that is copied, if there is such a one."""
    try:
        return await queries.roster(uow.session, view.caller, UUID(text))
    except ValueError:
        return None


def _today(view: View) -> date:
    return rules.today(now(), ZoneInfo(view.runtime.settings.site_zone))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if EARLIEST <= found <= LATEST else None


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _by_project(found: list[RosterOut]) -> dict[str, dict[date, RosterOut]]:
    projects: dict[str, dict[date, RosterOut]] = {}
    for each in found:
        projects.setdefault(each.project, {})[each.day] = each
    return projects


def _path(monday: date, project: str | None = None) -> str:
    return "/rosters?" + urlencode(
        {"week": str(monday), **({"project": project} if project else {})}
    )


def _query(first: date, last: date, project: str | None) -> str:
    return urlencode({"from": first, "to": last, **({"project": project} if project else {})})


router.include_router(roster.router)  # last, for `/rosters/{roster_id}` takes anything
