"""What tests of the calendar say in one line."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.dashboard.person import Page, Person

JSON = {"Accept": "application/json"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} javascript:alert(1)",
    "\u202eright to left",
    "x" * 10_000,
)


def ahead(days: int, hour: int = 9, minute: int = 0) -> datetime:
    """Return a time of a coming day, in UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def day_of(at: datetime) -> str:
    """Return the address of a day."""
    return f"/calendar?view=day&on={at:%Y-%m-%d}"


def posts_of(page: Page) -> list[str]:
    """Return the words of the posts that a page shows."""
    return [span.get_text(strip=True) for span in page.main.select(".entry .words, .full-text")]


async def plan(person: Person, text: str, at: datetime | None, *accounts: str, **body: Any) -> str:
    """Schedule a post and return its id; without accounts it is a draft."""
    when = {"publish_at": at.isoformat()} if at else {}
    post = await person.api.schedule(list(accounts), text, **when, **body)
    return str(post["id"])


async def own_key(person: Person) -> str:
    """Return a key of the user who is logged in as bob."""
    return await person.api.new_key("posts:read", "posts:write", "settings:write", user="bob")
