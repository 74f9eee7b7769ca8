"""Every route of the API, as data: what a caller must hold, and whose rows it is about.

A new route needs an entry here; `test_authorization` fails without it.
"""

from collections.abc import Iterator
from enum import StrEnum

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from service.access.caller import Scope


class Open(StrEnum):
    """What needs no scope."""

    EVERYBODY = "everybody"
    """No key is needed."""
    KNOWN = "known"
    """Any key or session does."""


Needs = tuple[Scope | Open, ...]
READ, OPERATE = (Scope.JOBS_READ,), (Scope.JOBS_OPERATE,)
POSTS, WRITE = (Scope.POSTS_READ,), (Scope.POSTS_WRITE,)
SETTINGS = (Scope.SETTINGS_WRITE,)
MANAGE = (Scope.SETTINGS_WRITE, Scope.JOBS_READ)
ADMIN = (Scope.ADMIN,)
EVERYBODY, KNOWN = (Open.EVERYBODY,), (Open.KNOWN,)

ROUTES: dict[str, Needs] = {
    "POST /v1/emails/events/sendgrid": EVERYBODY,
    "POST /v1/emails/events/bounce": (Scope.CONTENT_WRITE,),
    "GET /v1/emails": (Scope.CONTENT_READ,),
    "POST /v1/emails": (Scope.CONTENT_WRITE,),
    "GET /v1/emails/{email_id}": (Scope.CONTENT_READ,),
    "POST /v1/emails/{email_id}/retry": (Scope.CONTENT_WRITE,),
    "GET /v1/emails/suppressions": ADMIN,
    "POST /v1/emails/suppressions": (Scope.CONTENT_WRITE,),
    "DELETE /v1/emails/suppressions/{suppression_id}": ADMIN,
    "GET /livez": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": READ,
    "GET /feeds/{handle}": EVERYBODY,
    "GET /feeds/{handle}.atom": EVERYBODY,
    "GET /feeds/{handle}.json": EVERYBODY,
    "GET /feeds/{handle}/media/{media_id}": EVERYBODY,
    "GET /feeds/style.css": EVERYBODY,
    "GET /digest/leave/{token}": EVERYBODY,
    "POST /digest/leave/{token}": EVERYBODY,
    "POST /v1/session": EVERYBODY,
    "GET /v1/session": KNOWN,
    "DELETE /v1/session": KNOWN,
    "GET /v1/sessions": KNOWN,
    "DELETE /v1/sessions/{session_id}": KNOWN,
    "GET /v1/keys": SETTINGS,
    "POST /v1/keys": SETTINGS,
    "DELETE /v1/keys/{key_id}": SETTINGS,
    "GET /v1/audit": ADMIN,
    "GET /v1/platforms": POSTS,
    "GET /v1/accounts": POSTS,
    "POST /v1/accounts": SETTINGS,
    "POST /v1/accounts/authorize": SETTINGS,
    "POST /v1/accounts/authorize/finish": SETTINGS,
    "POST /v1/accounts/authorize/choose": SETTINGS,
    "GET /v1/accounts/{account_id}": POSTS,
    "POST /v1/accounts/{account_id}/reconnect": SETTINGS,
    "DELETE /v1/accounts/{account_id}": SETTINGS,
    "GET /v1/posts": POSTS,
    "POST /v1/posts": WRITE,
    "POST /v1/posts/batch": WRITE,
    "GET /v1/posts/batch/{batch_id}": POSTS,
    "GET /v1/posts/{post_id}": POSTS,
    "GET /v1/posts/{post_id}/measures": POSTS,
    "GET /v1/accounts/{account_id}/measures": POSTS,
    "GET /v1/measures/summary": POSTS,
    "PATCH /v1/posts/{post_id}": WRITE,
    "DELETE /v1/posts/{post_id}": WRITE,
    "POST /v1/posts/{post_id}/cancel": WRITE,
    "POST /v1/posts/{post_id}/retry": WRITE,
    "POST /v1/posts/{post_id}/withdraw": WRITE,
    "POST /v1/posts/{post_id}/submit": WRITE,
    "POST /v1/posts/{post_id}/approve": WRITE,
    "POST /v1/posts/{post_id}/return": WRITE,
    "POST /v1/posts/{post_id}/schedule": WRITE,
    "POST /v1/posts/{post_id}/repeat": WRITE,
    "POST /v1/posts/import": WRITE,
    "GET /v1/accounts/{account_id}/slots": POSTS,
    "PUT /v1/accounts/{account_id}/slots": WRITE,
    "GET /v1/accounts/{account_id}/slots/next": POSTS,
    "GET /v1/recurring": POSTS,
    "GET /v1/recurring/{recurrence_id}": POSTS,
    "PATCH /v1/recurring/{recurrence_id}": WRITE,
    "POST /v1/recurring/{recurrence_id}/pause": WRITE,
    "POST /v1/recurring/{recurrence_id}/resume": WRITE,
    "POST /v1/recurring/{recurrence_id}/stop": WRITE,
    "GET /m/{token}": EVERYBODY,
    "HEAD /m/{token}": EVERYBODY,
    "GET /v1/media": (Scope.CONTENT_READ,),
    "POST /v1/media": (Scope.CONTENT_WRITE,),
    "DELETE /v1/media/{media_id}": (Scope.CONTENT_WRITE,),
    "GET /v1/media/{media_id}": (Scope.CONTENT_READ,),
    "GET /v1/rosters": (Scope.CONTENT_READ,),
    "GET /v1/rosters.csv": (Scope.CONTENT_READ,),
    "POST /v1/rosters": (Scope.CONTENT_WRITE,),
    "GET /v1/rosters/{roster_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/rosters/{roster_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/rosters/{roster_id}": (Scope.CONTENT_WRITE,),
    "POST /v1/rosters/{roster_id}/lock": (Scope.CONTENT_WRITE,),
    "POST /v1/rosters/{roster_id}/unlock": (Scope.CONTENT_WRITE,),
    "PUT /v1/rosters/{roster_id}/items": (Scope.CONTENT_WRITE,),
    "POST /v1/rosters/{roster_id}/items": (Scope.CONTENT_WRITE,),
    "PATCH /v1/rosters/{roster_id}/items/{item_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/rosters/{roster_id}/items/{item_id}": (Scope.CONTENT_WRITE,),
    "POST /v1/newsletters/generate": (Scope.CONTENT_WRITE,),
    "GET /v1/newsletters": (Scope.CONTENT_READ,),
    "POST /v1/newsletters": (Scope.CONTENT_WRITE,),
    "GET /v1/newsletters/{newsletter_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/newsletters/{newsletter_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/newsletters/{newsletter_id}": (Scope.CONTENT_WRITE,),
    "POST /v1/newsletters/{newsletter_id}/pause": (Scope.CONTENT_WRITE,),
    "POST /v1/newsletters/{newsletter_id}/resume": (Scope.CONTENT_WRITE,),
    "POST /v1/newsletters/{newsletter_id}/cancel": (Scope.CONTENT_WRITE,),
    "POST /v1/newsletters/{newsletter_id}/send": (Scope.CONTENT_WRITE,),
    "GET /v1/newsletters/{newsletter_id}/report": (Scope.CONTENT_READ,),
    "GET /v1/newsletters/{newsletter_id}/issues": (Scope.CONTENT_READ,),
    "POST /v1/newsletters/{newsletter_id}/issues": (Scope.CONTENT_WRITE,),
    "GET /v1/newsletters/{newsletter_id}/subscribers": (Scope.CONTENT_READ,),
    "POST /v1/subscribers/import": (Scope.CONTENT_WRITE,),
    "GET /v1/newsletters/{newsletter_id}/subscribers.csv": (Scope.CONTENT_WRITE,),
    "GET /v1/issues": (Scope.CONTENT_READ,),
    "GET /v1/issues/{issue_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/issues/{issue_id}": (Scope.CONTENT_WRITE,),
    "GET /v1/issues/{issue_id}/preview": (Scope.CONTENT_READ,),
    "POST /v1/issues/{issue_id}/test": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/approve": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/schedule": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/send": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/write": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/pause": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/resume": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/cancel": (Scope.CONTENT_WRITE,),
    "POST /v1/issues/{issue_id}/resend-unconfirmed": (Scope.CONTENT_WRITE,),
    "GET /v1/issues/{issue_id}/report": (Scope.CONTENT_READ,),
    "GET /v1/issues/{issue_id}/deliveries": (Scope.CONTENT_READ,),
    "GET /v1/subscribers": (Scope.CONTENT_READ,),
    "POST /v1/subscribers": (Scope.CONTENT_WRITE,),
    "GET /v1/subscribers/{subscriber_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/subscribers/{subscriber_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/subscribers/{subscriber_id}": (Scope.CONTENT_WRITE,),
    "GET /n/style.css": EVERYBODY,
    "GET /newsletters/{slug}/subscribe": EVERYBODY,
    "POST /newsletters/{slug}/subscribe": EVERYBODY,
    "GET /n/confirm/{token}": EVERYBODY,
    "POST /n/confirm/{token}": EVERYBODY,
    "GET /n/unsubscribe/{token}": EVERYBODY,
    "POST /n/unsubscribe/{token}": EVERYBODY,
    "GET /n/o/{token}.gif": EVERYBODY,
    "GET /n/c/{token}/{number}": EVERYBODY,
    "GET /newsletters/{slug}/archive": EVERYBODY,
    "GET /newsletters/{slug}/feed.atom": EVERYBODY,
    "GET /newsletters/{slug}/archive/{number}": EVERYBODY,
    "POST /api/generate": (Scope.CONTENT_WRITE,),
    "GET /api/task/{job_id}": (Scope.CONTENT_READ,),
    "GET /v1/members": (Scope.CONTENT_READ,),
    "POST /v1/members": (Scope.CONTENT_WRITE,),
    "GET /v1/members/{member_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/members/{member_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/members/{member_id}": (Scope.CONTENT_WRITE,),
    "PUT /v1/members/{member_id}/following/{followed_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/members/{member_id}/following/{followed_id}": (Scope.CONTENT_WRITE,),
    "GET /v1/members/{member_id}/followers": (Scope.CONTENT_READ,),
    "GET /v1/members/{member_id}/following": (Scope.CONTENT_READ,),
    "GET /v1/feed": (Scope.CONTENT_READ,),
    "POST /v1/feed": (Scope.CONTENT_WRITE,),
    "POST /v1/feed/views": (Scope.CONTENT_WRITE,),
    "GET /v1/feed/{feed_post_id}": (Scope.CONTENT_READ,),
    "PATCH /v1/feed/{feed_post_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/feed/{feed_post_id}": (Scope.CONTENT_WRITE,),
    "PUT /v1/feed/{feed_post_id}/likes/{member_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/feed/{feed_post_id}/likes/{member_id}": (Scope.CONTENT_WRITE,),
    "PUT /v1/feed/{feed_post_id}/shares/{member_id}": (Scope.CONTENT_WRITE,),
    "GET /v1/feed/{feed_post_id}/comments": (Scope.CONTENT_READ,),
    "POST /v1/feed/{feed_post_id}/comments": (Scope.CONTENT_WRITE,),
    "PATCH /v1/feed/{feed_post_id}/comments/{comment_id}": (Scope.CONTENT_WRITE,),
    "DELETE /v1/feed/{feed_post_id}/comments/{comment_id}": (Scope.CONTENT_WRITE,),
    "POST /v1/feed/cleanup": (Scope.CONTENT_WRITE,),
    "GET /v1/analytics/daily": (Scope.CONTENT_READ,),
    "GET /v1/analytics/daily/{day}": (Scope.CONTENT_READ,),
    "POST /v1/analytics/daily/{day}": (Scope.CONTENT_WRITE,),
    "GET /v1/hashtags": (Scope.CONTENT_READ,),
    "GET /v1/hashtags/{hashtag}": (Scope.CONTENT_READ,),
    "GET /v1/hashtags/{hashtag}/posts": (Scope.CONTENT_READ,),
    "GET /v1/jobs": READ,
    "POST /v1/jobs": OPERATE,
    "POST /v1/jobs/cancel": OPERATE,
    "GET /v1/jobs/{job_id}": READ,
    "GET /v1/jobs/{job_id}/status": READ,
    "POST /v1/jobs/{job_id}/cancel": OPERATE,
    "POST /v1/jobs/{job_id}/retry": OPERATE,
    "GET /v1/dead": READ,
    "POST /v1/dead/replay": OPERATE,
    "POST /v1/dead/discard": OPERATE,
    "GET /v1/queues": READ,
    "GET /v1/queues/status": READ,
    "GET /v1/queues/{name}": READ,
    "GET /v1/queues/{name}/scale": READ,
    "POST /v1/queues/{name}/pause": OPERATE,
    "POST /v1/queues/{name}/resume": OPERATE,
    "POST /v1/queues/{name}/purge": OPERATE,
    "GET /v1/workers": READ,
    "GET /v1/workers/stats": READ,
    "GET /v1/workers/{name}": READ,
    "POST /v1/workers/{name}/ping": OPERATE,
    "POST /v1/workers/{name}/quiet": OPERATE,
    "POST /v1/workers/{name}/resume": OPERATE,
    "POST /v1/workers/{name}/shutdown": ADMIN,
    "GET /v1/events": READ,
    "GET /v1/schedules": READ,
    "POST /v1/schedules": OPERATE,
    "GET /v1/schedules/{schedule_id}": READ,
    "PATCH /v1/schedules/{schedule_id}": OPERATE,
    "DELETE /v1/schedules/{schedule_id}": OPERATE,
    "POST /v1/schedules/{schedule_id}/pause": OPERATE,
    "POST /v1/schedules/{schedule_id}/resume": OPERATE,
    "POST /v1/schedules/{schedule_id}/run": OPERATE,
    "GET /v1/webhooks": READ,
    "POST /v1/webhooks": MANAGE,
    "GET /v1/webhooks/{endpoint_id}": READ,
    "PATCH /v1/webhooks/{endpoint_id}": MANAGE,
    "DELETE /v1/webhooks/{endpoint_id}": MANAGE,
    "POST /v1/webhooks/{endpoint_id}/rotate-secret": MANAGE,
    "POST /v1/webhooks/{endpoint_id}/test": MANAGE,
    "GET /v1/webhooks/{endpoint_id}/deliveries": READ,
    "POST /v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay": MANAGE,
    "POST /v1/webhooks/{endpoint_id}/replay": MANAGE,
    "POST /v1/calls": OPERATE,
    "GET /v1/calls/{call_id}": OPERATE,
    "GET /v1/workflows": READ,
    "POST /v1/workflows": OPERATE,
    "GET /v1/workflows/{workflow_id}": READ,
    "GET /v1/workflows/{workflow_id}/status": READ,
    "GET /v1/workflows/{workflow_id}/steps/{key}": READ,
    "POST /v1/workflows/{workflow_id}/cancel": OPERATE,
    "POST /v1/workflows/{workflow_id}/resume": OPERATE,
    "POST /v1/workflows/{workflow_id}/undo": OPERATE,
    "GET /v1/notifications": READ,
    "POST /v1/notifications": ADMIN,
    "GET /v1/notifications/mine": KNOWN,
    "POST /v1/notifications/mine/read": KNOWN,
    "POST /v1/notifications/mine/{notification_id}/read": KNOWN,
    "GET /v1/notifications/settings": KNOWN,
    "PUT /v1/notifications/settings": KNOWN,
    "POST /v1/notifications/read": READ,
    "POST /v1/notifications/{notice_id}/read": READ,
    "POST /v1/notifications/{notice_id}/resolve": OPERATE,
    "GET /v1/alerts": READ,
    "GET /v1/health": READ,
}
"""Method and path → the scopes that a key must hold."""

BODIES: dict[str, dict[str, object]] = {
    "PATCH /v1/posts/{post_id}": {"text": "Mine"},
    "POST /v1/posts/{post_id}/return": {"note": "No"},
    "POST /v1/posts/{post_id}/repeat": {"cron": "0 9 * * *"},
    "PUT /v1/accounts/{account_id}/slots": {"zone": "UTC", "slots": []},
    "PATCH /v1/recurring/{recurrence_id}": {"cron": "0 9 * * *"},
    "PATCH /v1/rosters/{roster_id}": {"notes": "Mine"},
    "POST /v1/rosters/{roster_id}/unlock": {"reason": "Mine"},
    "PUT /v1/rosters/{roster_id}/items": {"items": []},
    "POST /v1/rosters/{roster_id}/items": {"person": "Mine"},
    "PATCH /v1/rosters/{roster_id}/items/{item_id}": {"person": "Mine"},
    "POST /v1/issues/{issue_id}/test": {"address": "ann@example.org"},
    "POST /v1/issues/{issue_id}/schedule": {"at": "2035-01-01T09:00Z"},
    "POST /v1/issues/{issue_id}/resend-unconfirmed": {"may_arrive_twice": True},
    "PATCH /v1/schedules/{schedule_id}": {"cron": "0 0 * * *"},
    "PATCH /v1/webhooks/{endpoint_id}": {"description": "Mine"},
}
"""What a route takes that an empty object does not serve."""
OWNED = frozenset(
    {
        *("call_id", "notification_id"),
        *("account_id", "batch_id", "endpoint_id", "job_id", "key_id", "media_id"),
        *("notice_id", "post_id", "recurrence_id", "schedule_id", "session_id", "workflow_id"),
        "roster_id",
        "email_id",
        *("newsletter_id", "issue_id", "subscriber_id"),
    }
)
"""Parameters of paths that name a row of somebody."""
NOT_OWNED = {
    "suppression_id": "whom nothing is mailed to is the installation's, for administrators",
    "member_id": "the community is the installation's, whoever made its rows",
    "feed_post_id": "the community is the installation's",
    "hashtag": "the community is the installation's",
    "day": "what happened in the whole community",
    "handle": "a public page",
    "slug": "a public page",
    "name": "queues and workers are the installation's, steered by their scope",
    "token": "signed here: whoever has it may read that one file, or choose for that one reader",
}
"""Others, that come first in a path, and why they name nobody's."""

UNAUDITED = {
    "POST /newsletters/{slug}/subscribe": "what a reader asks for has a row",
    "POST /n/confirm/{token}": "what a reader chooses has a row",
    "POST /n/unsubscribe/{token}": "what a reader chooses has a row",
    "POST /v1/emails/events/sendgrid": "what a provider tells of a mail has a row",
    "PUT /v1/members/{member_id}/following/{followed_id}": "what a member does has a row",
    "DELETE /v1/members/{member_id}/following/{followed_id}": "what a member does, and undoes",
    "POST /v1/feed": "what a member does has a row",
    "POST /v1/feed/{feed_post_id}/comments": "what a member does has a row",
    "PUT /v1/feed/{feed_post_id}/likes/{member_id}": "what a member does has a row",
    "DELETE /v1/feed/{feed_post_id}/likes/{member_id}": "what a member does, and undoes",
    "PUT /v1/feed/{feed_post_id}/shares/{member_id}": "what a member does has a row",
    "POST /v1/feed/views": "what is counted by the million",
    "POST /v1/notifications/read": "marks what one has seen",
    "POST /v1/notifications/{notice_id}/read": "marks what one has seen",
    "POST /v1/notifications/mine/read": "marks what one has seen",
    "POST /v1/notifications/mine/{notification_id}/read": "marks what one has seen",
}
"""Routes that change something and leave no entry in the audit log, and why."""


def routes_of(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Yield every route of the API, by method and path; pages have a table of their own."""
    yield from (found for found in every_route(app) if not _is_page(found[1]))


def pages_of(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Yield every route of the dashboard, by method and path."""
    yield from (found for found in every_route(app) if _is_page(found[1]))


def _is_page(route: APIRoute) -> bool:
    return route.endpoint.__module__.startswith("service.dashboard.")


def every_route(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Yield every route that we wrote, by method and path."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                yield f"{method} {context.path}", route
