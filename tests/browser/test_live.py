"""Pages that change by themselves, and stop when nobody looks."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from service.dashboard import live
from tests.browser.conftest import served
from tests.browser.person import Person, Screen
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def test_a_post_moves_to_published_without_a_reload(
    person: Person, api: Installation
) -> None:
    """V039: the page of a post tells what happens to it while it happens."""
    account = await api.connect()
    post = await api.schedule([account], publish_at=in_seconds(4))
    await person.page.goto(f"/posts/{post['id']}")
    part = person.page.locator("#live")
    await expect(part).to_contain_text("scheduled")
    await person.page.evaluate("window.same = true")
    async with served(api.runtime, api):
        await expect(part).to_contain_text("published", timeout=15_000)
    assert await person.page.evaluate("window.same"), "it is the same page"
    assert person.complaints == []


async def test_a_hidden_tab_does_not_listen(person: Person) -> None:
    """It closes its stream when hidden; when it is shown again it listens, and is up to date."""
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    await person.page.goto("/queues")
    await until(lambda: live.looking() == 1)
    await person.page.evaluate(HIDDEN, True)
    await until(lambda: live.looking() == 0)
    asked.clear()
    await person.page.evaluate(HIDDEN, False)
    await until(lambda: sorted(asked) == ["/live", "/queues"])


HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds of the server."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.05)


async def test_the_end_of_a_session_ends_the_page(
    browser: Browser, site: str, api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was logged out elsewhere is led to the login, and sees nothing more."""
    monkeypatch.setattr(live, "CHECK", 0.2)
    async with Person.at(browser, site, api, Screen()) as person:
        await person.log_in()
        await person.page.goto("/queues")
        await asyncio.sleep(0.5)
        await api.sql("DELETE FROM sessions")
        await person.page.wait_for_url("**/login?next=%2Fqueues")
