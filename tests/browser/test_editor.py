"""An editor plans: a post for three accounts, one of them too short for it; then the calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.person import Person, Screen
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio
LONG = "A day at the market, with everything that is ripe. " * 7


async def accounts(api: Installation) -> list[str]:
    """Connect two feeds, which take anything, and X, which takes 280 characters."""
    feeds = [await api.connect("feed", {"handle": name}) for name in ("kitchen", "garden")]
    return [*feeds, await api.connect("x")]


async def test_from_the_first_word_to_published(person: Person, api: Installation) -> None:
    """Too long for one of three: the page says by how much, and how to mend it."""
    await accounts(api)
    page = person.page
    await page.goto("/posts/new")
    await page.get_by_label("Text", exact=True).fill(LONG)
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    previews = page.locator("#previews")
    await expect(previews).to_contain_text("1 of 3 accounts cannot take this post yet")
    await expect(previews).to_contain_text("Too long by")
    await previews.get_by_role("button", name="Shorten it for X").click()
    await expect(previews).not_to_contain_text("Too long")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await page.get_by_label("At a time").check()
    await page.get_by_label("Date and time").fill(f"{tomorrow:%Y-%m-%dT09:00}")
    await page.get_by_role("button", name="Schedule", exact=True).click()
    await page.wait_for_url("**/posts/0*")
    (post,) = await api.sql("SELECT id, zone FROM posts")
    assert post.zone == "Europe/Paris"
    found = await api.sql("SELECT platform, state, text IS NULL AS common FROM deliveries")
    assert sorted(map(tuple, found)) == [
        ("feed", "scheduled", True),
        ("feed", "scheduled", True),
        ("x", "scheduled", False),
    ]
    await api.request("PATCH", f"/v1/posts/{post.id}", json={"publish_at": in_seconds(2)})
    await page.reload()
    await expect(page.locator("#live")).to_contain_text("scheduled")
    async with served(api.runtime, api):
        headline = page.locator("#live .state").first
        await expect(headline).to_have_text("published", timeout=15_000)
    states = await api.sql("SELECT DISTINCT state FROM deliveries")
    assert [row.state for row in states] == ["published"]
    assert person.complaints == []


async def one_post(api: Installation) -> tuple[str, datetime]:
    """Schedule a post in the middle of next month; return its id and time."""
    now = datetime.now(UTC)
    due = (now.replace(day=1) + timedelta(days=32)).replace(day=15, hour=9, minute=30)
    due = due.replace(second=0, microsecond=0)
    (account, *_) = await accounts(api)
    post = await api.schedule([account], "Soup week", publish_at=due.isoformat(), zone="UTC")
    return str(post["id"]), due


async def due_of(api: Installation, post_id: str) -> datetime:
    """Return when a post is to go out."""
    (row,) = await api.sql("SELECT publish_at FROM posts WHERE id = :id", id=post_id)
    moment: datetime = row.publish_at
    return moment


async def test_drag_a_post_to_another_day(person: Person, api: Installation) -> None:
    """It keeps its time of day; the calendar shows it there without a reload."""
    post_id, due = await one_post(api)
    page = person.page
    await person.open(f"/calendar?on={due:%Y-%m-%d}")
    target = (due + timedelta(days=3)).date()
    day = page.locator(f'td[data-date="{target}"]')
    await page.locator(f'[data-post="{post_id}"]').drag_to(day)
    await expect(day.locator(f'[data-post="{post_id}"]')).to_be_visible()
    assert await due_of(api, post_id) == due + timedelta(days=3)
    assert person.complaints == []


async def test_move_a_post_by_keys(person: Person, api: Installation) -> None:
    """`m`, arrows, Enter; Escape leaves it where it was."""
    post_id, due = await one_post(api)
    page = person.page
    await person.open(f"/calendar?on={due:%Y-%m-%d}")
    await page.locator(f'[data-post="{post_id}"] .post').focus()
    for key in ("m", "ArrowRight", "Escape"):
        await page.keyboard.press(key)
    assert await due_of(api, post_id) == due
    for key in ("m", "ArrowRight", "ArrowRight", "Enter"):
        await page.keyboard.press(key)
    day = page.locator(f'td[data-date="{(due + timedelta(days=2)).date()}"]')
    await expect(day.locator(f'[data-post="{post_id}"]')).to_be_visible()
    assert await due_of(api, post_id) == due + timedelta(days=2)
    assert person.complaints == []


async def test_without_scripts(browser: Browser, site: str, api: Installation) -> None:
    """The same by forms: a post is checked, mended, scheduled and moved."""
    await accounts(api)
    async with Person.at(browser, site, api, Screen(scripts=False)) as person:
        await person.log_in()
        page = person.page
        await page.goto("/posts/new")
        await page.get_by_label("Text", exact=True).fill(LONG)
        for box in await page.get_by_role("checkbox").all():
            await box.check()
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator("#previews")).to_contain_text("Too long by")
        await page.get_by_role("button", name="Shorten it for X").click()
        await expect(page.locator("#previews")).not_to_contain_text("Too long")
        due = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None) + timedelta(days=2)
        await page.get_by_label("At a time").check()
        await page.get_by_label("Date and time").fill(f"{due:%Y-%m-%dT%H:%M}")
        await page.get_by_role("button", name="Publish now").click()
        await page.wait_for_url("**/posts/0*")
        (post,) = await api.sql("SELECT id, publish_at FROM posts")
        assert post.publish_at == due.replace(tzinfo=UTC)
        await page.goto(f"/calendar?on={due:%Y-%m-%d}")
        await page.get_by_role("link", name="Move").first.click()
        later = due + timedelta(days=1)
        await page.get_by_label("Day").fill(f"{later:%Y-%m-%d}")
        await page.get_by_role("button", name="Move").click()
        assert await due_of(api, str(post.id)) == later.replace(tzinfo=UTC)
