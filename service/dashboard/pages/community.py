"""The community's figures: its days, what trends, what is counted when, and the clean-up."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.community import (
    analytics_routes,
    cleanup_queries,
    figure_rules,
    hashtag_routes,
    mail_queries,
)
from service.community.figure_schemas import CleanupIn, DayOut
from service.dashboard import filled
from service.dashboard.community import figures
from service.dashboard.pages import community_feed
from service.dashboard.schedules import views
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import InvalidInput
from service.kit.clock import now
from service.kit.pagination import Page
from service.schedules import queries as schedules
from service.schedules import routes as schedule_routes
from service.web import Once, Uow

router = APIRouter(include_in_schema=False)
RANGES = (7, 30, 90)
TOP = 5
EXAMPLES = 5
"""Posts that are named of those that would go."""
ABOUT = {
    "community.update_statistics": "Counts followers, followed and posts of every member anew",
    "community.update_trending": "Finds the hashtags that trend",
    "community.analyse_day": "Counts the day before, for the charts above",
    "community.update_scores": "Scores every post, by which the feed is ordered",
    "community.clean_posts": "Counts the old posts that nobody cared for; it removes none",
    "community.send_digests": "Mails the week's top posts to active members",
}
Days = Annotated[int, Query(ge=1, le=RANGES[-1])]


@router.get("/community")
async def show(view: ContentReader, uow: Uow, days: Days = 30) -> Response:
    """Show how the community does."""
    moment = now()
    today = moment.date()
    first = today - timedelta(days=days)
    # The last day is compared with the week before it, which may be longer than the chart.
    begin = min(first, today - timedelta(days=figures.WEEK + 1))
    listed = (await analytics_routes.list_days(view.caller, uow, begin, today)).items
    shown = [each for each in listed if each.date >= first]
    since = moment - figure_rules.ACTIVE_WITHIN
    trending = await hashtag_routes.list_trending(view.caller, uow)
    return await view.page(
        "community.html",
        days=days,
        ranges=RANGES,
        charts=figures.charts(shown, first, _end(shown, today)),
        last=figures.last_day(listed, today),
        trending=trending.items,
        top=await mail_queries.top_posts(uow.session, since, TOP),
        jobs=await _jobs(view, uow) if view.caller.may(Scope.JOBS_READ) else None,
        about=ABOUT,
        may_operate=view.caller.may(Scope.JOBS_OPERATE),
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


def _end(days: list[DayOut], today: date) -> date:
    """Return the last day of a chart: today is one only if somebody had it counted."""
    counted = bool(days) and days[0].date == today
    return today if counted else today - timedelta(days=1)


async def _jobs(view: View, uow: Uow) -> list[views.Shown]:
    """Return the code's schedules of what is counted, in the order in which they are told of."""
    found = await schedules.list_schedules(uow.session, view.caller, Page(), "community.")
    mine = [each for each in found.items if each.owner_id is None and each.name in ABOUT]
    rows = await schedules.outcomes(uow.session, [each.id for each in mine], 1)
    order = list(ABOUT)
    items = sorted(map(schedule_routes.show, mine), key=lambda each: order.index(each.name))
    return views.shown(items, rows)


@router.get("/community/cleanup")
async def ask(view: ContentWriter, uow: Uow) -> Response:
    """Look what a clean-up would take, and ask whether it is to."""
    moment = now()
    fresh = await cleanup_queries.count_old(uow.session, moment, archived_too=False)
    every = await cleanup_queries.count_old(uow.session, moment, archived_too=True)
    return await view.page(
        "community_cleanup.html",
        fresh=fresh,
        every=every,
        examples=await cleanup_queries.examples(uow.session, moment, EXAMPLES) if every else [],
        days=figure_rules.OLD_AFTER.days,
        views=figure_rules.FEW_VIEWS,
    )


@router.post("/community/cleanup")
async def clean(view: ContentWriter, uow: Uow) -> Response:
    """Archive or delete old posts, once somebody has seen how many."""
    if view.form.get("confirmed") != "yes":
        return await ask(view, uow)
    mode = view.form.get("mode")
    try:
        wanted = filled.body(CleanupIn, {"dry_run": False, "mode": mode})
    except InvalidInput as error:
        return view.refused("/community/cleanup", error)
    async with view.runtime.unit_of_work() as own:
        await analytics_routes.clean(wanted, view.caller, own, Once(own, view.caller, None))
    verb = "archived" if wanted.mode == "archive" else "deleted"
    return view.go("/community", f"Old posts are being {verb}; the audit log will say how many")


router.include_router(community_feed.router)
