"""Dead jobs: what they died of, and what to do with each kind."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard.jobs import acts as job_acts
from service.dashboard.jobs import rows as job_rows
from service.dashboard.jobs import search as job_search
from service.dashboard.jobs.acts import all_of, counted
from service.dashboard.jobs.rows import Row
from service.dashboard.pages import jobs_many
from service.dashboard.view import JobsOperator, JobsReader, View
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.monitoring import dead, dead_groups, dead_queries
from service.monitoring.dead_groups import Group, Groups
from service.monitoring.dead_queries import Wanted
from service.monitoring.queues import queue_keys
from service.queue import declared
from service.queue.presence import queue_name

router = APIRouter(include_in_schema=False)
LIMIT: Final = 50
"""Groups of a page, and jobs of a page of a group."""
GONE: Final = "No dead job is of this kind any more: they ran again, or were discarded"
LOOKED_BACK: Final = timedelta(days=30)
"""For the last run of a job, which tells how long it took."""
Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead jobs are looked at."""

    queue: str = ""
    name: str = ""

    @property
    def wanted(self) -> Wanted:
        """The same for queries."""
        return Wanted(name=self.name or None, queue=self.queue or None)

    def path(self, **more: str | int) -> str:
        """Return where these are shown."""
        given = {"queue": self.queue, "name": self.name, **more}
        said = urlencode({key: value for key, value in given.items() if value})
        return f"/dead?{said}" if said else "/dead"

    @property
    def live(self) -> str:
        """The same as the query of `/live`."""
        return urlencode({key: value for key, value in self.fields if value})

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The same as fields of a form."""
        return [("queue", self.queue), ("name", self.name)]


@router.get("/dead")
async def show(
    view: JobsReader,
    queue: Text = "",
    name: Text = "",
    group: Text = "",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """Show dead jobs by what they died of, or the jobs of one such group."""
    chosen = Filter(_storable(queue), _storable(name))
    found = await dead_groups.groups(view.runtime, view.caller, chosen.wanted)
    if group:
        return await _show_group(view, chosen, found, group, page)
    return await view.page(
        "dead.html",
        found=found,
        groups=found.items[:LIMIT],
        chosen=chosen,
        queues=sorted({queue_name(key) for key in queue_keys()} | ({queue} if queue else set())),
        names=sorted({*declared()} | ({name} if name else set())),
        acts=("replay", "discard") if view.caller.may(Scope.JOBS_OPERATE) else (),
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "").strip()


async def _show_group(view: View, chosen: Filter, found: Groups, key: str, page: int) -> Response:
    group = found.find(key)
    if group is None:
        return view.go(chosen.path(), GONE, done=False)
    start = (page - 1) * LIMIT
    ids = group.ids[start : start + LIMIT]
    return await view.page(
        "dead_group.html",
        group=group,
        found=found,
        chosen=chosen,
        rows=await _rows(view, ids),
        page=page,
        start=start,
        end=start + len(ids),
        acts=("replay", "discard") if view.caller.may(Scope.JOBS_OPERATE) else (),
    )


async def _rows(view: View, ids: Sequence[str]) -> list[Row]:
    """Return dead jobs by their ids, with how long their last runs took."""
    if not ids:
        return []
    found = await dead.page(view.runtime, view.caller, Wanted(ids=ids), len(ids), None)
    async with view.runtime.database.session() as session:
        took = await dead_queries.last_durations(session, ids, now() - LOOKED_BACK)
    return [job_rows.of_dead(job, took.get(job.id)) for job in found.items]


@router.post("/dead/many")
async def act_on_many(view: JobsOperator) -> Response:
    """Ask whether dead jobs are to run again or to be forgotten; do it once that is confirmed."""
    act, _, which = str(view.form.get("do", "")).partition("-")
    if act not in {"replay", "discard"}:
        raise InvalidInput([Problem("do", "is replay or discard")])
    given = {key: _storable(str(view.form.get(key, ""))) for key in ("queue", "name")}
    chosen, key = Filter(**given), str(view.form.get("group", ""))
    back = chosen.path(group=key)
    if which == "all":
        return await _all(view, act, chosen)
    group = await _group(view, chosen, key) if which == "group" else None
    if which == "group" and group is None:
        return view.go(chosen.path(), GONE, done=False)
    ids = group.ids if group else list(dict.fromkeys(map(str, view.form.getlist("job"))))
    if not ids:
        return view.go(back, "Nothing was selected, so nothing was done.", done=False)
    if view.form.get("confirmed") == "yes":
        outcome = await job_acts.do(view, act, ids)
        return await jobs_many.tell(view, act, outcome, chosen.path() if group else back)
    fields = [("do", f"{act}-group" if group else act), ("group", key), *chosen.fields]
    if group is None:
        fields += [("job", one) for one in ids]
    return await jobs_many.ask(view, act, counted(len(ids)), ids, fields, back, "/dead/many")


async def _group(view: View, chosen: Filter, key: str) -> Group | None:
    found = await dead_groups.groups(view.runtime, view.caller, chosen.wanted)
    return found.find(key)


async def _all(view: View, act: str, chosen: Filter) -> Response:
    query = replace(job_search.Query(), queue=chosen.queue or None, name=chosen.name or None)
    if view.form.get("confirmed") == "yes":
        outcome = await job_acts.do_to_all_dead(view, act, query)
        return await jobs_many.tell(view, act, outcome, chosen.path())
    found = await dead_groups.groups(view.runtime, view.caller, chosen.wanted)
    if not found.looked_at:
        return view.go(chosen.path(), "No dead job matches, so nothing was done.", done=False)
    ids = [job_id for group in found.items for job_id in group.ids]
    many = all_of(found.looked_at, more=found.more)
    fields = [("do", f"{act}-all"), *chosen.fields]
    return await jobs_many.ask(view, act, many, ids, fields, chosen.path(), "/dead/many")
