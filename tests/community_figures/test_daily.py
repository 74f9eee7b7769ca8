"""What happened on a day: exact, one row per day, shown by the API."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from service.community import counting
from tests.community_figures.helpers import DAY, NOON, Community
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio

YESTERDAY = date(2026, 11, 17)
MIDNIGHT = datetime(2026, 11, 18, tzinfo=UTC)
EDGE = NOON - MIDNIGHT
"""So old is what happened when yesterday ended."""
MOMENT = timedelta(microseconds=1)
COUNTED = {
    "new_members": 2,
    "active_members": 4,
    "posts": 3,
    "comments": 2,
    "likes": 2,
    "shares": 1,
    "follows": 1,
}


async def busy_day(community: Community) -> list[str]:
    """Let yesterday be full, and its neighbours too; return its top posts in order."""
    ada = await community.member("Ada", joined_at=MIDNIGHT - DAY)
    ben = await community.member("Ben", joined_at=MIDNIGHT - MOMENT)
    cleo = await community.member("Cleo", joined_at=MIDNIGHT)
    dan = await community.member("Dan")
    eve = await community.member("Eve", last_active_at=MIDNIGHT - DAY / 2)
    plain = await community.post(ada, EDGE + DAY)
    liked = await community.post(ada, EDGE + MOMENT, likes_count=2, comments_count=1)
    await community.post(ben, EDGE + DAY / 2, visibility="private", likes_count=9)
    await community.post(eve, EDGE)
    await community.post(eve, EDGE + DAY + MOMENT)
    await community.comment(liked, cleo, EDGE + DAY / 2)
    await community.comment(plain, cleo, EDGE + DAY / 3)
    await community.comment(plain, eve, EDGE)
    await community.react(liked, ada, "like", EDGE + DAY / 2)
    await community.react(liked, dan, "like", EDGE + MOMENT)
    await community.react(liked, dan, "share", EDGE + DAY)
    await community.react(plain, eve, "like", EDGE + DAY + MOMENT)
    await community.follow(dan, ada, age=EDGE + DAY / 2)
    await community.follow(eve, ada, age=EDGE)
    return [str(liked), str(plain)]


async def stored(community: Community) -> list[Any]:
    return list(await community.api.sql("SELECT * FROM daily_analytics ORDER BY date"))


async def test_a_day_is_counted_exactly_and_once(community: Community) -> None:
    """N007: exact figures from midnight to midnight (UTC); a second run replaces the row."""
    top = await busy_day(community)
    runtime = community.api.runtime
    assert await counting.analyse_day(runtime, None) == COUNTED
    (row,) = await stored(community)
    assert row.date == YESTERDAY
    assert {name: getattr(row, name) for name in COUNTED} == COUNTED
    assert [post["id"] for post in row.top_posts] == top, "no private post"
    assert row.top_posts[0].keys() == {"id", "author_id", "likes", "comments", "shares", "views"}
    first = row.generated_at
    await community.api.sql("DELETE FROM comments WHERE post_id = :id", id=top[0])
    assert await counting.analyse_day(runtime, YESTERDAY) == {**COUNTED, "comments": 1}
    (row,) = await stored(community)
    assert row.comments == 1
    assert row.generated_at > first


async def test_the_api_shows_days_and_counts_them(community: Community) -> None:
    """N007: GET shows what a run has counted; POST has a day counted anew."""
    api, top = community.api, await busy_day(community)
    missing = await api.get(f"/v1/analytics/daily/{YESTERDAY}")
    assert missing.status_code == 404
    for day in (YESTERDAY, YESTERDAY - DAY):
        reply = await api.post(f"/v1/analytics/daily/{day}", None)
        assert reply.status_code == 202, reply.text
    await api.work("analytics")
    shown = (await api.get(f"/v1/analytics/daily/{YESTERDAY}")).json()
    assert {name: shown[name] for name in COUNTED} == COUNTED
    assert [post["id"] for post in shown["top_posts"]] == top
    job = (await api.get(f"/v1/jobs/{reply.json()['job_id']}")).json()
    assert job["result"]["posts"] == 1, "the day before"
    listed = (await api.get("/v1/analytics/daily")).json()["items"]
    assert [day["date"] for day in listed] == ["2026-11-17", "2026-11-16"]
    one = await api.get("/v1/analytics/daily?from=2026-11-17&to=2026-11-17")
    assert one.json()["items"] == [shown]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-18&to=2026-11-17", "from"),
        ("from=2024-11-17&to=2026-11-17", "from"),
        ("to=yesterday", "to"),
        ("from=0000-00-00", "from"),
    ],
)
async def test_a_time_that_is_refused(api: Installation, query: str, field: str) -> None:
    """N059: the field is named."""
    reply = await api.get(f"/v1/analytics/daily?{query}")
    assert reply.status_code == 422
    assert [name.removeprefix("query.") for name in problems(reply)] == [field]


async def test_the_first_of_all_days(api: Installation) -> None:
    """N059: where the calendar begins nothing breaks."""
    reply = await api.get("/v1/analytics/daily?to=0001-01-01")
    assert reply.json() == {"items": []}


async def test_days_to_come_are_not_counted(community: Community) -> None:
    """N059: nothing is queued for tomorrow, today may be looked at before it is over."""
    api = community.api
    reply = await api.post(f"/v1/analytics/daily/{NOON.date() + DAY}", None)
    assert problems(reply) == {"day": "is still to come"}
    assert await api.queued("analytics") == []
    assert (await api.post(f"/v1/analytics/daily/{NOON.date()}", None)).status_code == 202
    reader = await api.new_key("content:read")
    refused = await api.post(f"/v1/analytics/daily/{NOON.date()}", None, key=reader)
    assert refused.status_code == 403
