"""Figures are asked for in time and stored as they were told; an error changes none of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.kit.clock import now
from service.measures import claim_queries, jobs, measuring
from service.platforms.contract import Reference
from tests.measures.helpers import (
    DAY,
    HOUR,
    NONE,
    audience,
    connected,
    content_of,
    make_due,
    plan,
    plan_of_account,
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
from workers.periodic import RULES

pytestmark = pytest.mark.asyncio
ENDLESS = ()
NUMBERS = {"likeCount": 7, "repostCount": 2, "quoteCount": 1, "replyCount": 4}
LIKED = {"likes": 7, "shares": 3, "comments": 4}
FOLLOWED = {"followers": 12, "following": 3, "posts": 1}


@pytest.fixture
def server(bluesky: Rig) -> BlueskyServer:
    """The emulator, which tells some figures and lacks others."""
    assert isinstance(bluesky.server, BlueskyServer)
    bluesky.server.numbers = dict(NUMBERS)
    return bluesky.server


async def test_every_platform_tells_its_figures(
    api: Installation, rig: Rig, tmp_path: Path
) -> None:
    """What the adapter returns is what is stored: nothing added, nothing left out."""
    out = await publish(api, rig, content_of(rig, tmp_path))
    assert await run(api) == {**NONE, "measured": 2}
    assert await run(api) == NONE, "it is not time again"
    destination = rig.destination()
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    figures = await rig.platform.metrics(destination, Reference(row.remote_id, row.details))
    assert await told(api, out) == ([dict(figures)] if figures else [])
    followers = await rig.platform.audience(destination)
    assert await audience(api, out.account) == ([dict(followers)] if followers else [])
    assert (await plan(api, out)).error is None



@pytest.mark.parametrize(
    "fault",
    [
        Fault("/", status=500, times=99),
        Fault("/", status=503, times=99),
        Fault("/", status=200, body={"strange": True}, times=99),
        Fault("/", lost=True, times=99),
    ],
    ids=["500", "503", "nonsense", "lost"],
)
async def test_an_error_writes_nothing_and_zeroes_nothing(
    api: Installation, rig: Rig, tmp_path: Path, fault: Fault
) -> None:
    """Counters that fall to zero when an API answers with an error: not here, nowhere."""
    out = await publish(api, rig, content_of(rig, tmp_path))
    await run(api)
    figures, followers = await told(api, out), await audience(api, out.account)
    await make_due(api)
    calls = len(rig.server.calls)
    rig.server.fail(replace(fault))
    counts = await run(api)
    asked = len(rig.server.calls) > calls
    assert counts["ended"] == counts["left"] == 0
    # A platform that was not asked, or whose odd answer has none of the figures, told nothing.
    assert counts["failed"] or not asked or fault.status == 200
    assert (await told(api, out), await audience(api, out.account)) == (figures, followers)
    assert await states(api) == ["active"]
    if counts["failed"] == 2:
        row = await plan(api, out)
        assert (row.failures, row.claim) == (1, None)
        assert row.error
        assert timedelta(minutes=9) < row.delay <= timedelta(minutes=10)


async def test_a_token_that_ended_is_renewed(api: Installation, rig: Rig, tmp_path: Path) -> None:
    """Once, and stored; the figures come all the same."""
    out = await publish(api, rig, content_of(rig, tmp_path))
    rig.expire_tokens()
    counts = await run(api)
    if counts["failed"]:
        assert await told(api, out) == []
        assert rig.name in ENDLESS, "its tokens cannot be renewed once they have ended"
        return
    assert counts == {**NONE, "measured": 2}
    assert await states(api) == ["active"]


async def test_a_refused_account_is_told_once(
    api: Installation, rig: Rig, tmp_path: Path
) -> None:
    """401: nothing is written, its owner is told, and nobody asks again for hours."""
    out = await publish(api, rig, content_of(rig, tmp_path))
    await run(api)
    before = await told(api, out), await audience(api, out.account)
    await make_due(api)
    rig.revoke()
    counts = await run(api)
    assert (await told(api, out), await audience(api, out.account)) == before
    assert await states(api) == ["needs_reconnect"]
    assert await api.count("notices") == 1
    assert counts["failed"] + counts["left"] + counts["measured"] == 2
    calls = len(rig.server.calls)
    await make_due(api)
    assert await run(api) == {**NONE, "left": 2}
    assert len(rig.server.calls) == calls
    assert (await plan(api, out)).delay > 5 * HOUR


async def test_a_post_that_is_gone_is_asked_for_once_more(
    api: Installation, rig: Rig, tmp_path: Path
) -> None:
    """An index may be late; when it says so again, the post is given up and its figures stay."""
    if not rig.platform.deletes:
        pytest.skip("nothing can be deleted there")
    out = await publish(api, rig, content_of(rig, tmp_path))
    await run(api)
    figures = await told(api, out)
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    await rig.platform.delete(rig.destination(), Reference(row.remote_id, row.details))
    await make_due(api, "delivery")
    print(rig.name, await run(api), await plan(api, out))
    await make_due(api, "delivery")
    print(rig.name, await run(api), await plan(api, out))
    assert await told(api, out) == figures
