"""The first page: what needs a person, how the last hours went, what goes out next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard.formats import zone_of
from service.dashboard.operations import attention, charts, system, wording
from service.dashboard.operations.attention import MOST_NAMED, Trouble
from service.dashboard.operations.charts import Chart
from service.dashboard.operations.system import System
from service.dashboard.rendering import ZONE
from service.dashboard.view import Anybody, View
from service.kit.clock import now
from service.monitoring import trouble_queries
from service.monitoring.minutes import RANGES
from service.monitoring.queue_schemas import QueueOut
from service.posts import counting_queries
from service.posts import overview_queries as posts
from service.posts.overview_queries import Glance

router = APIRouter(include_in_schema=False)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SHOWN = 5
"""Posts of a list."""


@dataclass(frozen=True, slots=True)
class _Posts:
    """What a reader of posts sees."""

    troubles: Sequence[Trouble]
    coming: Sequence[Glance]
    published: Sequence[Glance]


@dataclass(frozen=True, slots=True)
class _Jobs:
    """What a reader of jobs sees."""

    troubles: Sequence[Trouble]
    system: System
    used: Sequence[QueueOut]
    """Queues in which there is something, or for which somebody is there."""
    unused: str
    """How many others there are; empty for none."""
    charts: Sequence[Chart]


@router.get("/")
async def show(view: Anybody, over: Annotated[str, Query()] = "1h") -> Response:
    """Show how everything is."""
    over = over if over in RANGES else "1h"
    caller = view.caller
    posts = await _posts(view, now()) if caller.may(Scope.POSTS_READ) else None
    jobs = await _jobs(view, over) if caller.may(Scope.JOBS_READ) else None
    troubles = [*(posts.troubles if posts else ()), *(jobs.troubles if jobs else ())]
    return await view.page(
        "overview.html",
        posts=posts,
        jobs=jobs,
        troubles=troubles,
        over=over,
        ranges=charts.HOURS,
        words=wording.of_queue,
        may_write=caller.may(Scope.POSTS_WRITE),
    )


async def _posts(view: View, moment: datetime) -> _Posts:
    caller = view.caller
    async with view.runtime.database.session() as session:
        counts = await counting_queries.counts(session, caller, moment)
        troubled = await posts.troubled(session, caller, moment - WEEK, MOST_NAMED)
        late = await posts.late(session, caller, moment, MOST_NAMED)
        return _Posts(
            list(attention.of_posts(counts, troubled, late)),
            await posts.coming(session, caller, moment, WEEK, SHOWN),
            await posts.published(session, caller, SHOWN),
        )


async def _jobs(view: View, over: str) -> _Jobs:
    found = await system.look(view.runtime, view.caller)
    series = await system.series(view.runtime, over)
    since = now() - DAY
    async with view.runtime.database.session() as session:
        deaths = await trouble_queries.deaths(session, view.caller, since)
        missed = await trouble_queries.missed_ticks(session, view.caller, since)
    unserved = attention.unserved(found.queues)
    troubles = [
        *(() if found.server else (Trouble("Redis does not answer: no job starts", "/workers"),)),
        *attention.of_queues(unserved),
        *attention.of_alerts(found.alerts, [queue.name for queue in unserved]),
        *attention.of_deaths(deaths),
        *attention.of_missed(missed),
    ]
    zone = zone_of(view.request.cookies.get(ZONE))
    used, empty = wording.by_need(found.queues)
    unused = wording.count(len(empty), "more queue") if empty else ""
    return _Jobs(troubles, found, used, unused, charts.charts(series, over, zone))
