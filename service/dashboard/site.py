"""All routes of the dashboard."""

from fastapi import APIRouter, Request, Response

from service.dashboard import live
from service.dashboard.assets import FOREVER, assets
from service.dashboard.pages import (
    accounts,
    alerts,
    audit,
    calendar,
    community,
    composer,
    dead,
    emails,
    importing,
    issues,
    job,
    jobs,
    keys,
    login,
    media,
    members,
    newsletters,
    notifications,
    overview,
    posts,
    preferences,
    profile,
    queues,
    recurring,
    rosters,
    schedules,
    slots,
    subscribers,
    users,
    webhooks,
    workers,
    workflows,
)
from service.errors import NotFound

PAGES = (
    *(login, preferences, overview, queues, jobs, job, dead, workflows, schedules, workers),
    *(calendar, composer, importing, recurring, posts, slots, accounts, media),
    *(newsletters, issues, subscribers, emails, community, members, rosters),
    *(alerts, notifications, webhooks, keys, users, audit, profile),
)
"""Before `posts`, whose `/posts/{post_id}` takes anything, comes what has a path of its own."""

router = APIRouter(include_in_schema=False)
router.include_router(live.router)
for page in PAGES:
    router.include_router(page.router)


@router.get("/static/{name:path}")
async def static(name: str, request: Request) -> Response:
    """A static file; its address changes with its content."""
    if (asset := assets().get(name)) is None:
        raise NotFound("There is no such file")
    headers = {
        "Cache-Control": FOREVER,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    content = asset.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = asset.compressed, "gzip"
    return Response(content, media_type=asset.media_type, headers=headers)
