"""Pictures for the documentation: `make pictures`."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from service.queue import pause
from tests.api.lifting import lift
from tests.browser.office import furnish
from tests.browser.person import PHONE, Person, Screen
from tests.support import Installation

pytestmark = pytest.mark.asyncio
SCREENS = {"light": Screen(), "dark": Screen(dark=True), "phone": Screen(PHONE)}
PICTURES = (
    ("overview", "/", "light"),
    ("calendar", "/calendar", "light"),
    ("calendar", "/calendar", "phone"),
    ("week", "/calendar?view=week", "dark"),
    ("workflow", "/workflows/{workflow}", "dark"),
    ("schedules", "/schedules", "phone"),
    ("job", "/jobs/{waiting}", "light"),
)
TEXT = "Our autumn garden calendar is out, free to print: what to sow, plant and harvest. " * 4
HEIGHT = 1400
"""Pixels of a picture at most."""


@pytest.mark.timeout(240)
async def test_pictures(
    browser: Browser, site: str, api: Installation, request: pytest.FixtureRequest
) -> None:
    """Each page as its picture shows it."""
    folder: Path = request.config.getoption("--pictures")
    assert folder.is_dir(), f"make the folder {folder}"  # noqa: ASYNC240 - once
    kinds = await furnish(api, enemies=False)
    await pause(api.runtime.queue, "almanac:publishing")
    sent = await api.runtime.queue.enqueue(lift(weight=5))
    assert sent is not None
    for look, screen in SCREENS.items():
        async with Person.at(browser, site, api, screen) as person:
            await person.log_in()
            await person.page.reload()  # now in the browser's time zone
            for name, path, wanted in PICTURES:
                if wanted == look:
                    await person.open(path.format(**kinds, waiting=sent.job_id))
                    await take(person, folder / f"{name}-{look}.png")
            if look == "dark":
                await compose(person)
                await take(person, folder / f"compose-{look}.png")


async def take(person: Person, path: Path) -> None:
    """Take a picture of a page's upper part."""
    await person.page.wait_for_timeout(500)  # charts are drawn
    width = await person.page.evaluate("document.documentElement.clientWidth")
    height = await person.page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, HEIGHT)}
    await person.page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type] # its type is private


async def compose(person: Person) -> None:
    """Write a post that is too long for one of its accounts."""
    await person.page.goto("/posts/new")
    await person.page.get_by_label("Text", exact=True).fill(TEXT)
    for box in await person.page.get_by_role("checkbox").all():
        await box.check()
    await expect(person.page.locator("#previews")).to_contain_text("Too long by")
