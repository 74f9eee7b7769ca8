"""Figures are asked for in time and stored as they were told; an error changes none of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.kit.clock import now
from service.measures import measuring
from service.platforms.contract import Content, Reference
from tests.measures.helpers import (
    DAY,
    HOUR,
    NONE,
    audience,
    connected,
    content_of,
    make_due,
    plan,
    publish,
    published,
    run,
    states,
    told,
)
from tests.platforms.rig import Rig
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault
from tests.support import Installation

pytestmark = pytest.mark.asyncio
NUMBERS = {"likeCount": 7, "repostCount": 2, "quoteCount": 1, "replyCount": 4}
LIKED = {"likes": 7, "shares": 3, "comments": 4}
RESET = {"x-app-limit-24hour-reset": "4102444800"}
FOLLOWED = {"followers": 12, "following": 3, "posts": 1}


@pytest.fixture
def server(bluesky: Rig) -> BlueskyServer:
    """The emulator, which tells some figures and lacks others."""
    assert isinstance(bluesky.server, BlueskyServer)
    bluesky.server.numbers = dict(NUMBERS)
    return bluesky.server


@pytest.mark.parametrize("name", ["bluesky", "facebook", "mastodon", "threads", "x", "youtube"])
async def test_a_post_that_is_gone_is_asked_for_once_more(
    api: Installation, rigs: Callable[[str], Rig], tmp_path: Path, name: str
) -> None:
    """An index may be late; when it says so again, the post is given up and its figures stay."""
    rig = rigs(name)
    out = await publish(api, rig, content_of(rig, tmp_path))
    await run(api)
    figures = await told(api, out)
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    await rig.platform.delete(rig.destination(), Reference(row.remote_id, row.details))
    await make_due(api, "delivery")
    assert await run(api) == {**NONE, "failed": 1}
    first = await plan(api, out)
    assert first.missing_since is not None
    assert timedelta(minutes=59) < first.delay <= HOUR
    await make_due(api, "delivery")
    assert await run(api) == {**NONE, "ended": 1}
    assert (await plan(api, out)).next_at is None
    calls = len(rig.server.calls)
    await make_due(api, "delivery")
    assert await run(api) == NONE
    assert len(rig.server.calls) == calls
    assert await told(api, out) == figures


async def test_a_post_that_was_missing_for_a_moment_goes_on(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    out = await publish(api, bluesky, Content("Hello"))
    server.fail(Fault("getPosts", 200, {"posts": []}))
    assert await run(api) == {**NONE, "failed": 1, "measured": 1}
    await make_due(api, "delivery")
    assert await run(api) == {**NONE, "measured": 1}
    row = await plan(api, out)
    assert (row.missing_since, row.error, row.failures) == (None, None, 0)
    assert await told(api, out) == [LIKED]


async def test_figures_are_stored_as_they_are_told(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """Less than before is stored too; what is left out stays out."""
    out = await publish(api, bluesky, Content("Hello"))
    await run(api)
    await make_due(api)
    server.numbers = {"likeCount": 5, "repostCount": 0}
    await run(api)
    assert await told(api, out) == [LIKED, {"likes": 5, "shares": 0}]
    assert await audience(api, out.account) == [FOLLOWED, FOLLOWED]
    server.numbers = {}
    await make_due(api)
    await run(api)
    assert len(await told(api, out)) == 2, "nothing was told, so nothing is written"
    assert (await plan(api, out)).error is None


async def test_a_limit_holds_the_account_back(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """429: posts wait too, nothing of the account is asked for, and it is no failure."""
    outs = [await publish(api, bluesky, Content("One"))]
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    post = Reference(row.remote_id, row.details)
    outs += [await published(api, outs[0].account, "bluesky", post, now() - 3 * HOUR)]
    server.fail(Fault("getPosts", 429, {"error": "RateLimitExceeded"}, {"Retry-After": "900"}))
    assert await run(api) == {**NONE, "left": 3}
    assert [method for method, path in server.calls if "app.bsky" in path] == ["GET"]
    for out in outs:
        assert timedelta(seconds=800) < (await plan(api, out)).delay < timedelta(seconds=902)
        assert (await plan(api, out)).failures == 0
    (row,) = await api.sql("SELECT limited_until - now() AS delay FROM accounts")
    assert timedelta(seconds=800) < row.delay < timedelta(seconds=902)
    await make_due(api)
    assert await run(api) == {**NONE, "left": 3}, "the row tells other workers too"
    await api.sql("UPDATE accounts SET limited_until = now() - interval '1 second'")
    await make_due(api)
    assert await run(api) == {**NONE, "measured": 3}


async def test_a_limit_of_the_app_holds_its_platform_back(
    api: Installation,
    rigs: Callable[[str], Rig],
    bluesky: Rig,
    server: BlueskyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another account of it waits, another platform does not."""
    monkeypatch.setattr(measuring, "AT_ONCE", 1)
    x = rigs("x")
    for rig in (x, bluesky):
        await publish(api, rig, Content("Hello"))
    other = await connected(api, x, replace(x.destination(), handle="other"))
    x.server.fail(Fault("/2/", 429, {}, {"x-app-limit-24hour-remaining": "0"} | RESET, times=1))
    counts = await run(api)
    assert counts == {**NONE, "measured": 2, "left": 3}
    (pause,) = await api.sql("SELECT platform FROM platform_pauses")
    assert pause.platform == "x"
    assert await audience(api, other) == []


async def test_figures_that_alone_are_refused_stop_no_post(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """A right that only measuring needs: the account stays connected, the refusal is shown."""
    out = await publish(api, bluesky, Content("Hello"))
    server.fail(Fault("getPosts", 401, {"error": "AuthenticationRequired", "message": "No"}))
    assert await run(api) == {**NONE, "failed": 1, "measured": 1}
    assert await states(api) == ["active"]
    assert "AuthenticationRequired" in (await plan(api, out)).error


async def test_what_must_not_be_asked_for_is_not(api: Installation, bluesky: Rig) -> None:
    """Taken back, failed, too old, of a sandbox, or of an account that is not connected."""
    out = await publish(api, bluesky, Content("Hello"))
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    post = Reference(row.remote_id, row.details)
    removed, failed, old, fresh = [
        await published(api, out.account, "bluesky", post, now() - age)
        for age in (2 * HOUR, 2 * HOUR, 31 * DAY, HOUR / 2)
    ]
    await api.sql("UPDATE deliveries SET removed_at = now() WHERE id = :id", id=removed.delivery)
    await api.sql("UPDATE deliveries SET state = 'failed' WHERE id = :id", id=failed.delivery)
    await api.connect("x", {"handle": "sandboxed"})
    feed = await api.connect()
    await api.schedule([feed], "Out")
    await api.work()
    assert await run(api) == {**NONE, "measured": 2}
    planned = {row.delivery_id for row in await api.sql("SELECT * FROM delivery_measuring")}
    assert planned == {out.delivery, fresh.delivery}
    assert old.delivery not in planned
    assert (await plan(api, fresh)).delay > timedelta(minutes=29), "an hour after it went out"
    await api.sql("UPDATE deliveries SET removed_at = now() WHERE id = :id", id=out.delivery)
    await api.sql("UPDATE accounts SET state = 'disconnected' WHERE id = :id", id=out.account)
    await make_due(api)
    calls = len(bluesky.server.calls)
    assert await run(api) == {**NONE, "ended": 1, "left": 2}
    assert len(bluesky.server.calls) == calls


async def test_after_thirty_days_it_ends(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """The last figures are those of the thirtieth day."""
    out = await publish(api, bluesky, Content("Hello"), age=29.5 * DAY)
    assert await run(api) == {**NONE, "measured": 2}
    assert timedelta(hours=11) < (await plan(api, out)).delay <= 12 * HOUR
    await api.sql("UPDATE deliveries SET published_at = published_at - interval '12 hours'")
    await make_due(api, "delivery")
    assert await run(api) == {**NONE, "measured": 1}
    assert (await plan(api, out)).next_at is None
    assert await told(api, out) == [LIKED, LIKED]


async def test_publishing_writes_nothing_of_measures(api: Installation, bluesky: Rig) -> None:
    """What went out since is found by the next run, however late it is recorded."""
    out = await publish(api, bluesky, Content("Hello"))
    assert await api.count("delivery_measuring") == 0
    await run(api)
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    post = Reference(row.remote_id, row.details)
    late = await published(api, out.account, "bluesky", post, now() - 2.5 * HOUR)
    assert await run(api) == {**NONE, "measured": 1}
    assert (await plan(api, late)).measured_at is not None
