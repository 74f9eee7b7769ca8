"""Old posts that nobody cared for: which they are, and what becomes of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.community import cleaning
from tests.community_figures.helpers import DAY, NOON, Community, nobody_asks
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio

NONE = {"found": 0, "archived": 0, "deleted": 0}
OLD = 366 * DAY


async def clean(community: Community, mode: cleaning.Mode, **options: bool) -> dict[str, int]:
    values = {"dry_run": False, **options}
    return await cleaning.clean_posts(community.api.runtime, nobody_asks, mode=mode, **values)


async def remaining(community: Community) -> dict[UUID, bool]:
    """Return the posts that there are, and whether they are archived."""
    return await community.column("feed_posts", "archived_at IS NOT NULL")


async def several(community: Community) -> UUID:
    """Add posts around each border; return the only one that is to go."""
    author = await community.member("Ada")
    gone = await community.post(author, OLD, views_count=9)
    await community.post(author, 364 * DAY, views_count=9)
    await community.post(author, 365 * DAY - timedelta(minutes=1), views_count=9)
    await community.post(author, OLD, views_count=10)
    for counter in ("likes_count", "comments_count", "shares_count"):
        await community.post(author, OLD, views_count=9, **{counter: 1})
    await community.post(author, OLD, views_count=9, archived_at=NOON)
    return gone


async def test_a_dry_run_counts_and_changes_nothing(community: Community) -> None:
    """N006: only (366 days, 0, 0, 0, 9 views) is found."""
    await several(community)
    before = await community.column("feed_posts", "xmin::text")
    assert await clean(community, "archive", dry_run=True) == {**NONE, "found": 1}
    assert await clean(community, "delete", dry_run=True) == {**NONE, "found": 2}
    assert await community.column("feed_posts", "xmin::text") == before
    assert await community.api.count("audit_log") == 0


async def test_archive(community: Community) -> None:
    """N006: what was found is out of the feed, and noted; a second run finds nothing."""
    gone = await several(community)
    before = await remaining(community)
    assert await clean(community, "archive") == {"found": 1, "archived": 1, "deleted": 0}
    assert await remaining(community) == {**before, gone: True}
    assert await clean(community, "archive") == NONE
    (entry,) = await community.api.sql("SELECT actor, action, subject, detail FROM audit_log")
    assert tuple(entry) == (cleaning.BY_ITSELF, "feed.archive_old", "feed", {"posts": 1})


async def test_delete_counts_off(community: Community) -> None:
    """N006: counters of the author and of hashtags are right afterwards; others stay."""
    gone = await several(community)
    author, other = await community.member("Ben"), await community.member("Cleo")
    tag = await community.hashtag("bread", [OLD, DAY])
    await community.api.sql("UPDATE members SET posts_count = 7 WHERE display_name = 'Ada'")
    await community.api.sql(
        "UPDATE feed_posts SET author_id = :author WHERE author_id IS NULL", author=author
    )
    await community.api.sql("UPDATE members SET posts_count = 2 WHERE id = :id", id=author)
    before = await remaining(community)
    assert await clean(community, "delete") == {"found": 3, "archived": 0, "deleted": 3}
    after = await remaining(community)
    assert gone not in after
    assert len(before) - len(after) == 3
    assert set(after.values()) == {False}, "what was archived before went too"
    counted = await community.column("members", "posts_count")
    assert (counted[author], counted[other]) == (1, 0)
    assert 5 in counted.values(), "Ada had 7, two of them are gone"
    assert await community.column("hashtags", "uses_count") == {tag: 1}


async def test_counters_alone_condemn_no_post(community: Community) -> None:
    """N006: a like or a comment that a wrong counter does not tell of saves its post."""
    reader = await community.member("Ben")
    liked = await community.post(None, OLD)
    said = await community.post(None, OLD)
    await community.react(liked, reader)
    await community.comment(said, reader)
    assert await clean(community, "delete") == NONE
    assert set(await remaining(community)) == {liked, said}


async def test_one_that_is_cared_for_meanwhile_stays(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N006: a like between looking and deleting saves the post."""
    reader = await community.member("Ben")
    first, second = await community.post(None, OLD), await community.post(None, OLD)
    delete = cleaning.ACTS["delete"]

    async def like_first(*arguments: Any) -> int:
        await community.react(first, reader)
        return await delete(*arguments)

    monkeypatch.setitem(cleaning.ACTS, "delete", like_first)
    assert await clean(community, "delete") == {"found": 1, "archived": 0, "deleted": 1}
    assert set(await remaining(community)) == {first}
    assert second != first


@pytest.mark.parametrize(
    ("body", "done"),
    [
        ({}, {**NONE, "found": 3}),
        ({"dry_run": False}, {"found": 3, "archived": 3, "deleted": 0}),
        ({"dry_run": False, "mode": "delete"}, {"found": 3, "archived": 0, "deleted": 3}),
    ],
)
async def test_by_the_api(community: Community, body: dict[str, Any], done: dict[str, int]) -> None:
    """N006: a dry run by default; the job's result has the counts, the audit log who asked."""
    api = community.api
    for _ in range(3):
        await community.post(None, OLD)
    reply = await api.post("/v1/feed/cleanup", body)
    assert reply.status_code == 202, reply.text
    await api.work("maintenance")
    job = (await api.get(f"/v1/jobs/{reply.json()['job_id']}")).json()
    assert job["result"] == done
    states = list((await remaining(community)).values())
    assert (len(states), sum(states)) == (3 - done["deleted"], done["archived"])
    actors = {row.actor for row in await api.sql("SELECT actor FROM audit_log")}
    assert len(actors) == 1
    assert cleaning.BY_ITSELF not in actors


async def test_what_is_refused(api: Installation) -> None:
    """N059: nothing is queued for a body that is wrong, or for whoever may only read."""
    reply = await api.post("/v1/feed/cleanup", {"dry_run": "perhaps", "mode": "burn"})
    assert reply.status_code == 422
    assert set(problems(reply)) == {"dry_run", "mode"}
    reader = await api.new_key("content:read")
    assert (await api.post("/v1/feed/cleanup", {}, key=reader)).status_code == 403
    assert await api.queued("maintenance") == []
    assert await api.count("durable_jobs") == 0
