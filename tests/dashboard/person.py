"""Somebody at a browser that runs no scripts: reads pages, follows links, sends forms."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from bs4 import BeautifulSoup, Tag

from service.access import queries, session_actions
from service.access.cookies import COOKIE
from service.access.session_actions import Visit
from tests.access.helpers import PASSWORD, new_user
from tests.support import Installation

HTML = {"Accept": "text/html,application/xhtml+xml"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it came."""

    reply: httpx.Response
    soup: BeautifulSoup

    @property
    def path(self) -> str:
        """Where it is, with its query."""
        return self.reply.url.raw_path.decode()

    @property
    def text(self) -> str:
        """What a person reads in its main part, with single spaces."""
        return " ".join(self.main.get_text(" ").split())

    @property
    def main(self) -> Tag:
        """The part below the menu."""
        found = self.soup.find("main")
        assert isinstance(found, Tag)
        return found

    @property
    def title(self) -> str:
        """The heading."""
        found = self.main.find("h1")
        assert found is not None
        return found.get_text(" ", strip=True)

    @property
    def note(self) -> str:
        """What it says of the action before it, empty for nothing."""
        found = self.main.select_one(".note")
        return found.get_text(" ", strip=True) if found else ""

    def rows(self, selector: str = "table") -> list[list[str]]:
        """Return the cells of a table's body."""
        table = self.main.select_one(selector)
        found = table.select("tbody tr") if table else []
        return [
            [" ".join(cell.get_text(" ").split()) for cell in row.select("td, th")] for row in found
        ]

    def links(self) -> dict[str, str]:
        """Return where the links of the main part lead, by their text."""
        return {a.get_text(" ", strip=True): str(a["href"]) for a in self.main.select("a[href]")}

    def forms(self) -> dict[str, Tag]:
        """Return the forms of the page that are sent, by where they go; the first of each."""
        found: dict[str, Tag] = {}
        for form in self.soup.select("form"):
            found.setdefault(str(form.get("action") or self.path), form)
        return found

    def fields(self, action: str) -> dict[str, Any]:
        """Return what a form holds before anybody touches it."""
        form = self.forms()[action]
        values: dict[str, Any] = {}
        for field in form.select("input[name], textarea[name], select[name]"):
            name, kind = str(field["name"]), field.get("type")
            if kind in {"checkbox", "radio", "file"}:
                if field.has_attr("checked"):
                    values[name] = str(field.get("value", "on"))
            elif field.name == "select":
                chosen = field.select_one("option[selected]") or field.select_one("option")
                values[name] = str(chosen.get("value", chosen.get_text())) if chosen else ""
            elif field.name == "textarea":
                values[name] = field.get_text()
            else:
                values[name] = str(field.get("value", ""))
        return values


@dataclass(slots=True)
class Person:
    """Reads pages and sends forms with a cookie."""

    http: httpx.AsyncClient
    api: Installation

    async def get(self, path: str, status: int = 200, **headers: str) -> Page:
        """Open a page."""
        reply = await self.http.get(path, headers={**HTML, **headers}, follow_redirects=True)
        assert reply.status_code == status, f"{path}: {reply.status_code} {reply.text[-2000:]}"
        return _page(reply)

    async def send(self, page: Page, action: str, status: int = 200, **fields: Any) -> Page:
        """Send a form of a page with what it holds and these fields; None takes one out."""
        form = page.forms()[action]
        values = {**page.fields(action), **fields}
        sent = {name: value for name, value in values.items() if value is not None}
        if form.get("method", "get").lower() == "get":  # type: ignore[union-attr] # one value
            path = urlsplit(action).path
            reply = await self.http.get(path, params=sent, headers=HTML, follow_redirects=True)
        else:
            reply = await self.post(action, **sent)
        assert reply.status_code == status, f"{action}: {reply.status_code} {reply.text[-2000:]}"
        return _page(reply)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post fields as they are, and follow where that leads."""
        return await self.http.post(path, data=fields, headers=HTML, follow_redirects=True)

    async def log_in(self, name: str = "ann", *scopes: str) -> Page:
        """Make a user (an admin without scopes) and log in through the page."""
        await new_user(self.api, name, *(scopes or ("admin",)))
        self.http.cookies.clear()
        page = await self.get("/login")
        return await self.send(page, "/login", name=name, password=PASSWORD)

    async def enter(self, name: str = "ann") -> None:
        """Be an admin who has logged in, without the pages and the hash that this takes."""
        await new_user(self.api, name, "admin")
        runtime = self.api.runtime
        visit = Visit(None, self.http.headers["user-agent"], None)
        async with runtime.unit_of_work() as uow:
            user = await queries.user_by_name(uow.session, name)
            assert user is not None
            lifetime = runtime.settings.session_lifetime
            _, cookie = await session_actions.begin(uow.session, user, visit, lifetime)
        self.http.cookies.set(COOKIE, cookie, domain=self.http.base_url.host)


def _page(reply: httpx.Response) -> Page:
    assert "text/html" in reply.headers["content-type"], reply.text[:500]
    return Page(reply, BeautifulSoup(reply.text, "html.parser"))


def query(path: str) -> dict[str, list[str]]:
    """Return the query of an address."""
    return parse_qs(urlsplit(path).query)
