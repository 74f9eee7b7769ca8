"""Every page: no complaint of the browser, no barrier, nothing wider than the screen."""

import pytest
from playwright.async_api import Browser

from tests.browser.office import furnish
from tests.browser.person import PHONE, Person, Screen
from tests.support import Installation

pytestmark = pytest.mark.asyncio
PAGES = (
    *("/", "/queues", "/queues/publishing", "/workers", "/jobs", "/jobs?q=state:failed", "/dead"),
    *("/workflows", "/schedules", "/schedules/new", "/alerts", "/notifications", "/webhooks"),
    *("/calendar", "/calendar?view=week", "/calendar?view=day", "/posts", "/posts/new"),
    *("/accounts", "/accounts/new", "/media", "/keys", "/users", "/audit", "/profile"),
)
ABOUT = (
    *("/posts/{post}", "/posts/{post}/edit", "/accounts/{account}", "/jobs/{job}"),
    *("/workflows/{workflow}", "/schedules/{schedule}", "/dead?show=all"),
)
"""Pages about one thing of the office."""
SCREENS = {
    "light": Screen(),
    "dark": Screen(dark=True),
    "phone": Screen(PHONE),
    "dark phone": Screen(PHONE, dark=True),
}
JUDGED = ("light", "dark phone")
"""Where axe-core looks: each theme and each width once, for it takes its time."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", SCREENS)
async def test_every_page(look: str, browser: Browser, site: str, api: Installation) -> None:
    """axe-core finds nothing serious; no script error, no refusal of the policy, no overflow.

    Posts, jobs, errors, names and notices of the office hold hostile texts: none of them runs.
    """
    kinds = await furnish(api)
    async with Person.at(browser, site, api, SCREENS[look]) as person:
        await person.log_in()
        found: dict[str, object] = {}
        for path in (*PAGES, *(about.format(**kinds) for about in ABOUT)):
            reply = await person.page.goto(path)
            assert reply is not None
            assert reply.status == 200, path
            barriers = await person.barriers() if look in JUDGED else []
            told = [*barriers, *person.complaints]
            if (hacked := await person.page.evaluate("window.hacked")) is not None:
                told.append(f"a stored text ran: {hacked}")
            person.complaints.clear()
            if (wider := await person.overflow()) > 0:
                told.append(f"{wider} px too wide")
            if told:
                found[path] = told
        assert found == {}
