"""Every route with no key, with a key that lacks its scope, and about somebody else's row."""

import inspect
import re
import types
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from fastapi import FastAPI

from service.access.audit import note
from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.notifications.queries import count
from service.notifications.rules import Incident
from service.queue import JobCall
from tests.access.helpers import Browser, new_user
from tests.support import PNG, Installation

from .routes import BODIES, EVERYBODY, KNOWN, NOT_OWNED, OWNED, ROUTES, UNAUDITED, routes_of

NOBODYS = "01890000-0000-7000-8000-000000000000"
PARAMETER = re.compile(r"{(\w+)}")
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
EVERY = frozenset(Scope) - {Scope.ADMIN}
KEPT = (
    "emails",
    *("accounts", "posts", "deliveries", "batches", "media", "schedules", "webhook_endpoints"),
    *("slot_plans", "recurrences", "occurrences", "imported_posts", "rosters", "roster_items"),
    *("webhook_deliveries", "workflows", "workflow_steps", "durable_jobs", "notices", "sessions"),
    "user_notifications",
    *("newsletters", "issues", "issue_deliveries", "subscribers", "subscriptions"),
)
"""Tables in which nothing may change."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """The application; no server is asked."""
    return create_app(Settings(_env_file=None))


def test_every_route_is_listed(app: FastAPI) -> None:
    """V081: a new one has to say who may use it, and none is listed that is gone."""
    found = [name for name, _ in routes_of(app)]
    assert sorted(found) == sorted(ROUTES)


def test_every_parameter_is_somebodys_or_has_a_reason() -> None:
    first = {found[0] for path in ROUTES if (found := PARAMETER.findall(path))}
    assert first == OWNED | NOT_OWNED.keys()


def concrete(route: str, ids: dict[str, str] | None = None) -> tuple[str, str]:
    """Return method and path of a route, about these rows or about nobody's."""
    method, path = route.split(" ")
    given = {"name": "publishing", "key": "a", "handle": "nobody", **(ids or {})}
    return method, PARAMETER.sub(lambda found: given.get(found[1], NOBODYS), path)


@pytest.mark.asyncio
async def test_without_a_key(api: Installation) -> None:
    """V081: 401 and how to do it right, whatever else is wrong with the request."""
    for route, needs in ROUTES.items():
        method, path = concrete(route)
        for headers in ({}, {"Authorization": "Bearer almanac_guessed"}):
            reply = await api.http.request(method, path, headers=headers)
            assert (reply.status_code == 401) == (needs != EVERYBODY), route
            if needs != EVERYBODY:
                assert reply.headers["content-type"] == "application/problem+json", route
                assert reply.headers["www-authenticate"] == "Bearer", route


@pytest.mark.asyncio
async def test_without_the_scope(api: Installation) -> None:
    """V081: 403 for a key with all scopes but one that it needs; the answer names it."""
    keys: dict[Scope, str] = {Scope.ADMIN: await api.new_key(*EVERY, user="bob")}
    for route, needs in ROUTES.items():
        for missing in needs:
            if not isinstance(missing, Scope):
                continue
            if missing not in keys:
                keys[missing] = await api.new_key(*(EVERY - {missing}), user="bob")
            method, path = concrete(route)
            reply = await api.request(method, path, key=keys[missing])
            assert reply.status_code == 403, (route, reply.text)
            assert f"scope '{missing}'" in reply.json()["detail"], route


@pytest.mark.asyncio
async def test_a_session_needs_the_scope_too(api: Installation) -> None:
    """V081: 403 for every route when its user has no scope that it needs."""
    await new_user(api, "bob", Scope.BACKUPS_OPERATE)
    browser = Browser(api.http)
    await browser.log_in("bob")
    for route, needs in ROUTES.items():
        if needs not in {EVERYBODY, KNOWN}:
            reply = await browser.request(*concrete(route))
            assert reply.status_code == 403, (route, reply.text)


async def rows_of_ann(api: Installation) -> dict[str, str]:
    """Make one of everything that people own; return the ids by the parameters of paths."""
    key = await api.new_key(*EVERY, user="ann")

    async def made(path: str, body: object, status: int = 201) -> str:
        reply = await api.post(path, body, key=key)
        assert reply.status_code == status, reply.text
        found: str = reply.json()["id"]
        return found

    account = await api.connect(key=key)
    post = await made("/v1/posts", {"text": "Hers", "accounts": []})
    batch = await made("/v1/posts/batch", {"posts": [post], "accounts": [account]}, 202)
    file = {"file": ("dot.png", PNG, "image/png")}
    media = await api.request("POST", "/v1/media", files=file, key=key)
    written = {"text": "Hers again", "accounts": [account], "draft": True}
    again = await made("/v1/posts", written)
    recurrence = await made(f"/v1/posts/{again}/repeat", {"cron": "0 9 * * *"})
    rule = {"name": "hers", "job": "monitoring.clean", "cron": "* * * * *"}
    schedule = await made("/v1/schedules", rule)
    endpoint = await made("/v1/webhooks", {"url": "http://127.0.0.1:1/", "events": ["job.failed"]})
    delivery = await made(f"/v1/webhooks/{endpoint}/test", {}, 202)
    steps = [{"key": "a", "job": "monitoring.clean"}]
    workflow = await made("/v1/workflows", {"name": "hers", "steps": steps})
    call = JobCall("monitoring.clean", "maintenance", job_id="hers", headers={"actor": "ann"})
    await api.runtime.queue.enqueue(call)
    duties = {"day": "2030-01-01", "project": "Hers", "items": [{"person": "Ann"}]}
    roster = await made("/v1/rosters", duties)
    new_key = await made("/v1/keys", {"name": "hers", "scopes": ["posts:read"]})
    await new_user(api, "anns-browser")
    await Browser(api.http).log_in("anns-browser")
    api.http.cookies.clear()
    (session,) = await api.sql("SELECT id FROM sessions")
    newsletter = await made("/v1/newsletters", {"name": "Hers", "topic": "Hers"})
    return {
        "newsletter_id": newsletter,
        "issue_id": await made(f"/v1/newsletters/{newsletter}/issues", {"subject": "Hers"}),
        "subscriber_id": await made("/v1/subscribers", {"address": "reader@example.org"}),
        "account_id": account,
        "email_id": await made("/v1/emails", {"to": "a@example.org", "subject": "S", "text": "T"}),
        "post_id": post,
        "batch_id": batch,
        "endpoint_id": endpoint,
        "media_id": media.json()["id"],
        "recurrence_id": recurrence,
        "roster_id": roster,
        "schedule_id": schedule,
        "workflow_id": workflow,
        "job_id": "hers",
        "key_id": new_key,
        "session_id": str(session.id),
        "delivery_id": delivery,
        "notice_id": await notice_of(api, "ann"),
        "notification_id": await notification_of(api, "ann"),
        "call_id": await made("/v1/calls", {"endpoint": "http://127.0.0.1:1/"}, 202),
    }


async def notice_of(api: Installation, user: str) -> str:
    """Tell a user of something; return the notice's id."""
    (row,) = await api.sql("SELECT id FROM users WHERE name = :user", user=user)
    incident = Incident("job.failed", "hers", "Something", "went wrong", UUID(str(row.id)))
    async with api.runtime.unit_of_work() as uow:
        return str(await count(uow.session, incident))


async def notification_of(api: Installation, user: str) -> str:
    """Tell a user something as an admin does; return the notification's id."""
    told = await api.post("/v1/notifications", {"user": user, "title": "Hers"})
    assert told.status_code == 201, told.text
    (row,) = await api.sql("SELECT id FROM user_notifications")
    return str(row.id)


async def state_of(api: Installation) -> list[object]:
    """Return everything that a stranger must not change."""
    rows = [await api.sql(f"SELECT {t}::text FROM {t} ORDER BY 1") for t in KEPT]
    keys = await api.sql("SELECT id, revoked_at FROM api_keys ORDER BY id")
    return [*rows, keys, await api.queued("maintenance"), await api.queued()]


@pytest.mark.asyncio
async def test_somebody_elses_row(api: Installation) -> None:
    """V081: 404, as if there were none, with every scope but admin's; and nothing happens."""
    ids = await rows_of_ann(api)
    stranger = await api.new_key(*EVERY, user="bob")
    before = await state_of(api)
    tried = set()
    for route, needs in ROUTES.items():
        if needs == EVERYBODY or not (found := PARAMETER.findall(route)) or found[0] not in OWNED:
            continue
        method, path = concrete(route, ids)
        body = BODIES.get(route, {}) if method in MUTATING else None
        reply = await api.request(method, path, key=stranger, json=body)
        assert reply.status_code == 404, (route, reply.text)
        assert reply.headers["content-type"] == "application/problem+json", route
        unknown = await api.request(method, concrete(route)[1], key=stranger, json=body)
        assert (unknown.status_code, unknown.json()) == (404, reply.json()), route
        tried.add(found[0])
    assert tried == OWNED
    assert await state_of(api) == before


@pytest.mark.asyncio
async def test_lists_have_no_rows_of_others(api: Installation) -> None:
    """V081: every list of what people own is empty for a stranger."""
    await rows_of_ann(api)
    stranger = await api.new_key(Scope.POSTS_READ, Scope.JOBS_READ, Scope.SETTINGS_WRITE, user="b")
    for path in ("posts", "accounts", "webhooks", "workflows", "dead", "notifications"):
        reply = await api.get(f"/v1/{path}", key=stranger)
        assert (reply.status_code, reply.json()["items"]) == (200, []), path
    items = (await api.get("/v1/schedules", key=stranger)).json()["items"]
    assert [item["name"] for item in items if not item["static"]] == []
    assert len((await api.get("/v1/keys", key=stranger)).json()["items"]) == 1


def test_what_changes_something_is_audited(app: FastAPI) -> None:
    """V082: by calling `note`, itself or by a function of ours; or it says here why not."""
    found = [
        name
        for name, route in routes_of(app)
        if name.split(" ")[0] in MUTATING and not reaches_note(route.endpoint)
    ]
    assert sorted(found) == sorted(UNAUDITED)


def reaches_note(function: Callable[..., object], depth: int = 4) -> bool:
    """Whether a function's code names `note`, or a function of ours that does."""
    if function is note:
        return True
    if depth == 0 or not inspect.isfunction(function):
        return False
    return any(reaches_note(named, depth - 1) for named in _named(function))


def _named(function: types.FunctionType) -> Iterator[Callable[..., object]]:
    """Yield the functions of ours that a function's code names."""
    names = set(_names(function.__code__))
    for name in names:
        found = function.__globals__.get(name)
        if inspect.isfunction(found) and found.__module__.startswith("service."):
            yield found
        elif inspect.ismodule(found) and found.__name__.startswith("service."):
            members = (getattr(found, member, None) for member in names)
            yield from (member for member in members if inspect.isfunction(member))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
