"""Every page with no session, with a forged form, and with a login that lacks its scope."""

import re

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.dashboard import view
from tests.api.routes import pages_of
from tests.dashboard.person import HTML, Person

OPEN = {"GET /login", "POST /login", "GET /static/{name:path}"}
"""Pages for whoever comes."""
ANYBODY = {
    *("GET /", "GET /live", "GET /profile", "POST /logout", "POST /preferences"),
    *("POST /profile/password", "POST /profile/sessions/end"),
    "POST /profile/sessions/{session_id}/end",
    *("GET /notifications", "GET /notifications/mine", "POST /notifications/settings"),
    *("POST /notifications/mine/read", "POST /notifications/mine/{notification_id}/read"),
}
"""Pages for whoever is logged in; what they show depends on the scopes."""
NOBODYS = "01890000-0000-7000-8000-000000000000"
SCOPES = {
    getattr(view, name).__metadata__[0].dependency: scope
    for name, scope in (
        ("PostsReader", Scope.POSTS_READ),
        ("PostsWriter", Scope.POSTS_WRITE),
        ("ContentReader", Scope.CONTENT_READ),
        ("ContentWriter", Scope.CONTENT_WRITE),
        ("SettingsWriter", Scope.SETTINGS_WRITE),
        ("JobsReader", Scope.JOBS_READ),
        ("JobsOperator", Scope.JOBS_OPERATE),
        ("Admin", Scope.ADMIN),
    )
}


@pytest.fixture(scope="module")
def pages() -> dict[str, APIRoute]:
    """Every route of the dashboard."""
    app: FastAPI = create_app(Settings(_env_file=None))
    return dict(pages_of(app))


def scope_of(route: APIRoute) -> Scope | None:
    """Return the scope that a page needs, None for any login."""
    found = [SCOPES[d.call] for d in route.dependant.dependencies if d.call in SCOPES]
    assert len(found) <= 1
    return found[0] if found else None


def concrete(name: str) -> tuple[str, str]:
    """Return method and path of a page, about nobody's row."""
    method, path = name.split(" ")
    path = re.sub(r"{[a-z_]*_id(:path)?}", NOBODYS, path)
    return method, re.sub(r"{[a-z_]+(:path)?}", "publishing", path)


def test_every_page_says_who_may_see_it(pages: dict[str, APIRoute]) -> None:
    """V081, V037: a page without a scope is one of those that are listed here, with a reason."""
    free = {name for name, route in pages.items() if scope_of(route) is None}
    assert free == OPEN | ANYBODY
    writing = {name: scope_of(route) for name, route in pages.items() if name.startswith("POST")}
    read = {Scope.POSTS_READ, Scope.CONTENT_READ}
    assert {name for name, scope in writing.items() if scope in read} == set()


@pytest.mark.asyncio
async def test_nobody_gets_in_without_a_login(stranger: Person, pages: dict[str, APIRoute]) -> None:
    """V037: every page leads to the login, and does nothing."""
    for name in pages.keys() - OPEN:
        method, path = concrete(name)
        reply = await stranger.http.request(method, path, headers=HTML)
        assert (reply.status_code, reply.headers["location"][:12]) == (303, "/login?next="), name


@pytest.mark.asyncio
async def test_a_forged_form_does_nothing(admin: Person, pages: dict[str, APIRoute]) -> None:
    """No form is taken without the token of the session, whatever it is for."""
    for name in pages.keys() - OPEN:
        method, path = concrete(name)
        if method == "POST":
            reply = await admin.http.post(path, data={"confirmed": "yes"}, headers=HTML)
            assert reply.status_code == 403, name
            assert view.STALE in reply.text, name
    assert (await admin.get("/profile")).title == "ann", "nobody was logged out"


@pytest.mark.asyncio
async def test_a_scope_is_needed(stranger: Person, pages: dict[str, APIRoute]) -> None:
    """V081: all other scopes do not help."""
    token = ""
    for scope in Scope:
        others = [other for other in Scope if other not in {scope, Scope.ADMIN}]
        page = await stranger.log_in(f"no {scope.value.replace(':', ' ')}", *others)
        token = str(page.fields("/logout")["csrf"])
        for name, route in pages.items():
            if scope_of(route) is not scope:
                continue
            method, path = concrete(name)
            data = {"csrf": token} if method == "POST" else None
            reply = await stranger.http.request(method, path, data=data, headers=HTML)
            assert reply.status_code == 403, name
            assert f"needs the scope &#39;{scope.value}&#39;" in reply.text, name
