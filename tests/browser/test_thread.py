"""An editor writes a thread: blocks come and go without a reload, each counted as it is typed."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.person import PHONE, Person, Screen
from tests.dashboard.composer import image, sandbox
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def test_a_thread_from_the_first_block_to_published(
    person: Person, api: Installation
) -> None:
    """What is typed stays, what is added has the focus, what is too long is said at once."""
    await sandbox(api, "x")
    page = person.page
    await page.goto("/posts/new")
    await page.get_by_label("Text", exact=True).fill("First")
    await page.locator("[name=accounts]").check()
    await page.evaluate("window.same = true")
    await page.get_by_role("button", name="Add the next post").click()
    await expect(page.get_by_label("Text of follow-up 1")).to_be_focused()
    await page.keyboard.type("Second " * 40 + "x")
    counter = page.locator("#counters-0")
    await expect(counter).to_contain_text("281 / 280")
    await expect(page.locator("#previews .thread")).to_contain_text("Second Second")
    await expect(page.locator("#previews")).to_contain_text("Follow-up 1: Too long by 1")
    await page.keyboard.press("Backspace")
    await expect(page.locator("#previews")).to_contain_text("Fits the account.")
    await page.get_by_role("button", name="Add a comment").click()
    await expect(page.get_by_label("Text of follow-up 2")).to_be_focused()
    await page.keyboard.type("The link")
    await page.get_by_role("button", name="Add another post").press("Enter")
    await expect(page.get_by_label("Text of follow-up 3")).to_be_focused()
    await page.get_by_role("button", name="Remove follow-up 3").click()
    await expect(page.locator(".part")).to_have_count(2)
    await page.get_by_role("button", name="Move follow-up 2 up").click()
    await expect(page.get_by_label("Text of follow-up 1")).to_have_value("The link")
    assert await page.evaluate("window.same"), "the page was not loaded again"
    await expect(page.locator("#previews .thread li")).to_have_count(2)
    assert await person.barriers() == []
    await page.get_by_role("button", name="Publish now").click()
    await page.wait_for_url("**/posts/0*")
    async with served(api.runtime, api):
        await expect(page.locator("#live h1 .state")).to_have_text("published", timeout=15_000)
        await expect(page.locator(".follow-ups .state.published")).to_have_count(4)
    assert await person.barriers() == []
    assert person.complaints == []


async def test_choices_and_blocks_on_a_phone_in_the_dark(
    browser: Browser, site: str, api: Installation
) -> None:
    """Nothing is wider than the screen, nothing too pale; what a platform needs is counted."""
    for name in ("youtube", "tiktok", "bluesky"):
        await sandbox(api, name)
    await image(api)
    async with Person.at(browser, site, api, Screen(PHONE, dark=True)) as person:
        await person.log_in()
        page = person.page
        await page.goto("/posts/new")
        title = page.get_by_label("Title needed")
        await expect(title).to_be_hidden()
        for box in await page.locator("[name=accounts]").all():
            await box.check()
        await title.fill("é" * 101)
        left = page.locator(".left.over")
        await expect(left).to_have_text("101 / 100")
        for details in await page.locator("details.own").all():
            await details.locator("summary").first.click()
        await page.get_by_role("button", name="Choose others for YouTube").first.click()
        await expect(
            page.get_by_role("button", name="Take those of the post again")
        ).to_be_visible()
        await page.get_by_role("button", name="Add the next post").click()
        await page.get_by_text("Images, videos, delay").click()
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.get_by_text("Missing: The title")).to_have_count(0)
        await expect(page.locator(".wrong").first).to_be_visible()
        assert await person.overflow() <= 0
        assert await person.barriers() == []
        assert person.complaints == []
