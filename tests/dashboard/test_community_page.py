"""The pages of the community: its days, what trends, the feed, and the clean-up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
import time_machine

from service.dashboard.community import figures
from tests.community.helpers import NOBODY, comment, join, put, read, say
from tests.dashboard.person import Person
from workers import periodic

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202e ' + "x" * 500
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def noon() -> Any:
    """A Wednesday."""
    with time_machine.travel(NOON, tick=True):
        yield


async def count_days(person: Person, *members: int) -> None:
    """Keep days, the newest of them yesterday, with so many active members."""
    for age, active in enumerate(members, 1):
        await person.api.sql(
            "INSERT INTO daily_analytics VALUES (:day, 1, :active, 2, 3, 4, 5, 6, '[]', now())",
            day=(NOON - timedelta(days=age)).date(),
            active=active,
        )


async def old_post(person: Person, author: str, content: str = "Old") -> str:
    """Let a member have posted more than a year ago."""
    post = await say(person.api, author, content)
    await person.api.sql(
        "UPDATE feed_posts SET created_at = now() - interval '400 days' WHERE id = :id", id=post
    )
    return post


@pytest.mark.parametrize(
    ("value", "before", "words"),
    [
        (5, [], "the first day that was counted"),
        (0, [0, 0], "as usual: 0 a day"),
        (5, [0, 0], "none in the week before"),
        (104, [100], "as usual: 100 a day"),
        (15, [10, 10], "50% more than 10 a day"),
        (5, [10, 10], "50% fewer than 10 a day"),
        (35, [10, 10], "3.5 times 10 a day"),
    ],
)
async def test_a_day_is_compared_in_words(value: int, before: Sequence[int], words: str) -> None:
    """With the average of the days before; a difference that nobody would notice is none."""
    assert figures.against(value, before) == words


async def test_an_empty_community_says_what_comes(admin: Person) -> None:
    """Every part says why it is empty."""
    page = await admin.get("/community")
    assert "No day of the last 30 was counted" in page.text
    assert "No hashtag was used in the last 7 days" in page.text
    assert "Nothing was posted for everybody" in page.text
    assert "these jobs appear when a worker starts" in page.text
    assert "Nobody has posted yet" in (await admin.get("/community/feed")).text
    assert (await admin.get("/community/cleanup")).title == "No old posts to clean up"
    await admin.get("/community?days=0", 422)


@pytest.mark.usefixtures("noon")
async def test_days_are_charted_and_compared(admin: Person) -> None:
    """Yesterday in words, and each day in a chart with its table."""
    await count_days(admin, 30, *[10] * 7, 99)
    page = await admin.get("/community?days=7")
    assert "Yesterday, against the week before Active members 30 3 times 10 a day" in page.text
    assert "New members 1 as usual: 1 a day" in page.text
    assert "Up to 30 active a day, 7 new in 7 counted days." in page.text
    assert page.rows("#chart-members table")[0] == ["Tue 17 Nov 2026", "30", "1"]
    assert len(page.rows("#chart-members table")) == 7
    [chosen] = page.main.select(".tabs [aria-current]")
    assert chosen["href"] == "/community?days=7"
    longer = await admin.get("/community?days=90")
    assert "Up to 99 active a day" in longer.text


async def test_what_trends_and_what_is_liked(admin: Person) -> None:
    """Hashtags lead to their posts; stored text is shown as text."""
    api = admin.api
    ada = await join(api, "ada")
    post = await say(api, ada, f"#Bread {HOSTILE}")
    await put(api, f"feed/{post}/likes/{ada}")
    await api.sql(
        "UPDATE hashtags SET is_trending = true, trending_rank = 1, trending_uses = 1,"
        " trending_at = now()"
    )
    page = await admin.get("/community")
    assert page.links()["#bread"] == "/community/feed?tag=bread"
    assert "ada , 1 like, 0 comments" in page.text
    assert not page.main.select("script, img")
    tagged = await admin.get("/community/feed?tag=%23BREAD")
    assert tagged.title == "#bread"
    assert "1 public post has it, and it trends: number 1" in tagged.text
    assert len(tagged.main.select(".feed li")) == 1
    none = await admin.get("/community/feed?tag=never")
    assert "Nobody has ever used this hashtag" in none.text


async def test_counts_are_run_from_here(admin: Person) -> None:
    """N007: each count has its time and a button, which sends its job."""
    runtime = admin.api.runtime
    await periodic.mirror(runtime, runtime.settings.model_copy(update={"periodic": "all"}))
    page = await admin.get("/community")
    jobs = [row[0].split()[-1] for row in page.rows("#live table")]
    assert jobs == [
        "community.update_statistics",
        "community.update_trending",
        "community.analyse_day",
        "community.update_scores",
        "community.clean_posts",
        "community.send_digests",
    ]
    assert page.rows("#live table")[2][2] == "never"
    button = page.main.select_one('[aria-label="Run now: community.analyse_day"]')
    assert button is not None
    assert button.parent is not None
    back = await admin.send(page, str(button.parent["action"]))
    assert back.path == "/community?days=30"
    await admin.api.work("analytics")
    assert await admin.api.count("daily_analytics") == 1
    done = await admin.get("/community")
    assert "succeeded" in done.rows("#live table")[2][2]
    assert "Yesterday" in done.text


async def test_the_feed_is_paged_and_posts_are_taken_out(admin: Person) -> None:
    """Archived and put back; deleted with what goes with it, which was said before."""
    api = admin.api
    ada = await join(api, "ada")
    posts = [await say(api, ada, f"Post {n}") for n in range(21)]
    first = await admin.get("/community/feed?order=new")
    assert len(first.main.select(".feed li")) == 20
    more = await admin.get(first.links()["Older"])
    assert "Post 0" in more.text
    path = f"/community/feed/{posts[0]}"
    said = await comment(api, posts[0], ada, content=HOSTILE)
    page = await admin.get(path)
    assert page.title == "Post of ada"
    assert HOSTILE.split(maxsplit=1)[0] in page.text
    assert not page.main.select("script, img")
    asked = await admin.send(page, f"{path}/archive")
    assert (await read(api, f"feed/{posts[0]}"))["archived_at"] is None
    page = await admin.send(asked, f"{path}/archive")
    assert page.note == "The post is out of all feeds"
    assert (await read(api, f"feed/{posts[0]}"))["archived_at"] is not None
    page = await admin.send(page, f"{path}/restore")
    assert (await read(api, f"feed/{posts[0]}"))["archived_at"] is None
    asked = await admin.send(page, f"{path}/comments/{said}/delete")
    assert await api.count("comments") == 1
    page = await admin.send(asked, f"{path}/comments/{said}/delete")
    assert (page.note, await api.count("comments")) == ("The comment is deleted", 0)
    await put(api, f"feed/{posts[0]}/likes/{ada}")
    asked = await admin.send(page, f"{path}/delete")
    assert "0 comments, 1 like and 0 shares go with it" in asked.text
    page = await admin.send(asked, f"{path}/delete")
    assert (page.note, await api.count("feed_posts")) == ("The post is deleted", 20)
    await admin.get(path, 404)
    await admin.get(f"/community/feed/{NOBODY}", 404)


async def test_posts_of_a_member(admin: Person) -> None:
    """All of them, as they see them; the feed itself has the public ones."""
    ada = await join(admin.api, "ada")
    await say(admin.api, ada, "Mine", visibility="private")
    page = await admin.get(f"/community/feed?by={ada}")
    assert page.title == "Posts of ada"
    assert "Mine" in page.text
    assert "Mine" not in (await admin.get("/community/feed")).text


@pytest.mark.parametrize(("mode", "archived", "left"), [("archive", 2, 3), ("delete", 0, 1)])
async def test_old_posts_are_counted_then_go(
    admin: Person, mode: str, archived: int, left: int
) -> None:
    """N006: nothing goes before somebody has seen what would; then it does."""
    api = admin.api
    ada = await join(api, "ada")
    await old_post(admin, ada)
    shelved = await old_post(admin, ada, "Shelved")
    await api.sql("UPDATE feed_posts SET archived_at = now() WHERE id = :id", id=shelved)
    await say(api, ada, "New")
    page = await admin.get("/community/cleanup")
    assert page.title == "2 old posts nobody cared for"
    assert "1 of them is archived already" in page.text
    assert "Archive 1 post" in page.text
    assert "Delete 2 posts" in page.text
    await admin.send(page, "/community/cleanup", confirmed=None)
    refused = await admin.send(page, "/community/cleanup", mode="burn")
    assert refused.path == "/community/cleanup"
    assert await api.queued("maintenance") == []
    done = await admin.send(page, "/community/cleanup", mode=mode)
    assert done.path == "/community"
    await api.work("maintenance")
    assert await api.count("feed_posts") == left
    [row] = await api.sql("SELECT count(archived_at) AS n FROM feed_posts")
    assert row.n == archived


async def test_who_may_only_read_changes_nothing(stranger: Person) -> None:
    """No button is shown, every route refuses, and what is counted when is for who sees jobs."""
    await stranger.log_in("bob", "content:read")
    api = stranger.api
    ada = await join(api, "ada")
    post = await say(api, ada)
    page = await stranger.get("/community")
    assert "What is counted when" not in page.text
    assert "Old posts" not in page.text
    page = await stranger.get(f"/community/feed/{post}")
    assert not page.main.select("form")
    await stranger.get("/community/cleanup", 403)
    csrf = page.soup.select_one("input[name=csrf]")
    assert csrf is not None
    for path in (f"feed/{post}/archive", f"feed/{post}/delete", "cleanup"):
        reply = await stranger.post(
            f"/community/{path}", csrf=csrf["value"], confirmed="yes", mode="delete"
        )
        assert reply.status_code == 403
    shown = await read(api, f"feed/{post}")
    assert shown["archived_at"] is None
    await stranger.log_in("eve", "jobs:read")
    for path in ("/community", "/community/feed", f"/community/feed/{post}"):
        await stranger.get(path, 403)
