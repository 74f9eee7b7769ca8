"""The page of what one was told oneself: read, linked, hostile texts, mails wanted."""

import pytest

from service.notifications.actions import News, notify
from tests.dashboard.person import Page, Person

from .test_notifications_page import HOSTILE, titles, user_id

pytestmark = pytest.mark.asyncio
HERE = "/notifications/mine"


async def tell(person: Person, name: str, *news: News) -> None:
    """Tell a user things."""
    to = await user_id(person, name)
    async with person.api.runtime.unit_of_work() as uow:
        for each in news:
            await notify(uow, to, each)


def numbers(page: Page) -> list[str]:
    """Return the line of numbers."""
    return [a.get_text(" ", strip=True) for a in page.soup.select(".numbers a")]


async def test_what_one_is_told_is_counted_linked_and_read(admin: Person) -> None:
    """T029: visible to that user, the newest first; K021."""
    page = await admin.get(HERE)
    assert "Nothing new for you." in page.text
    assert "0 notifications" in numbers(page)
    news = [
        News("Roster is locked", "Monday's.", "/rosters"),
        News("Report", link="https://example.com/r?a=1&b=2"),
        News("Third"),
    ]
    await tell(admin, "ann", *news)
    page = await admin.send(page, "/notifications/settings", mail="off")
    assert "3 notifications" in numbers(page)
    assert titles(page) == ["Third", "Report", "Roster is locked"]
    assert page.links()["/rosters"] == "/rosters"
    (outside,) = page.main.select("a[rel]")
    assert (outside["href"], outside["rel"]) == (
        "https://example.com/r?a=1&b=2",
        ["noopener", "nofollow"],
    )
    first = next(path for path in page.forms() if path.endswith("/read") and len(path) > 40)
    page = await admin.send(page, first)
    assert (page.note, titles(page)) == ("Read: Third", ["Report", "Roster is locked"])
    page = await admin.send(page, f"{HERE}/read")
    assert (page.note, titles(page)) == ("2 notifications are read now", [])
    assert "0 notifications" in numbers(page)
    page = await admin.get(f"{HERE}?show=all")
    assert titles(page) == ["Third", "Report", "Roster is locked"]
    assert not [path for path in page.forms() if path.endswith("/read")]
    assert page.links()["Incidents"] == "/notifications"


async def test_others_do_not_exist(stranger: Person) -> None:
    """One sees and reads only one's own, also as an admin."""
    await stranger.log_in("bob", "posts:read")
    await stranger.log_in("ann")
    await tell(stranger, "bob", News("For bob"))
    page = await stranger.get(HERE)
    assert titles(page) == []
    (row,) = await stranger.api.sql("SELECT id FROM user_notifications")
    csrf = page.fields("/logout")["csrf"]
    reply = await stranger.post(f"{HERE}/{row.id}/read", csrf=csrf)
    assert "There is no such notification" in reply.text
    assert "0 notifications are read now" in (await stranger.post(f"{HERE}/read", csrf=csrf)).text
    (row,) = await stranger.api.sql("SELECT read_at FROM user_notifications")
    assert row.read_at is None


async def test_how_one_wants_to_be_told(admin: Person) -> None:
    """The form keeps what was typed, says what is wrong at its field, and keeps nothing bad."""
    page = await admin.get(HERE)
    assert page.fields("/notifications/settings")["mail"] == "off"
    typed = {"email": "ann@", "mail": "digest"}
    page = await admin.send(page, "/notifications/settings", 422, **typed)
    assert {**page.fields("/notifications/settings"), "csrf": ""} == {**typed, "csrf": ""}
    assert "Is no mail address" in page.text
    page = await admin.send(page, "/notifications/settings", 422, email="")
    assert "Is needed for mails" in page.text
    page = await admin.send(page, "/notifications/settings", 422, mail="hourly")
    assert "Is none of these" in page.text
    assert await admin.api.count("notification_settings") == 0
    page = await admin.send(page, "/notifications/settings", email="ann@Example.com", mail="digest")
    assert page.note == "Your settings are kept"
    kept = page.fields("/notifications/settings")
    assert (kept["email"], kept["mail"]) == ("ann@example.com", "digest")


async def test_hostile_texts_are_text(admin: Person) -> None:
    await tell(admin, "ann", News(HOSTILE, HOSTILE + "x" * 9000))
    page = await admin.get(HERE)
    assert page.soup.select("script:not([src])") == []
    assert titles(page) == [HOSTILE]
    assert all(str(a["href"]).startswith("/") for a in page.main.select("a"))


async def test_more_than_a_page_and_the_live_part(admin: Person) -> None:
    await tell(admin, "ann", *[News(f"title {n}") for n in range(51)])
    page = await admin.get(HERE)
    assert len(titles(page)) == 50
    assert titles(await admin.get(page.links()["Older"])) == ["title 0"]
    part = await admin.http.get(HERE, headers={"HX-Request": "true"})
    assert "title 50" in part.text
    assert "<html" not in part.text
