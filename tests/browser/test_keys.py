"""By keyboard alone: to the page, to the search, to a job, and what keys there are."""

import pytest
from playwright.async_api import expect

from tests.browser.person import Person

pytestmark = pytest.mark.asyncio


async def test_go_and_search(person: Person) -> None:
    """`g` and a letter lead to a page, `/` to the search; `?` lists the keys, Escape closes."""
    page = person.page
    await page.goto("/")
    for key in ("g", "j"):
        await page.keyboard.press(key)
    await page.wait_for_url("/jobs")
    await page.keyboard.press("/")
    await page.keyboard.type("state:failed")
    await page.keyboard.press("Enter")
    await page.wait_for_url("/jobs?q=state*failed")
    await page.locator("main").focus()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()


async def test_the_first_tab_skips_the_menu(person: Person) -> None:
    await person.page.goto("/queues")
    await person.page.keyboard.press("Tab")
    await person.page.keyboard.press("Enter")
    focused = "document.activeElement.id"
    assert await person.page.evaluate(focused) == "main"
