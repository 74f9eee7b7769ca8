"""Every platform tells its figures; no error of any of them changes one."""

from datetime import timedelta
from pathlib import Path

import pytest

from service.measures import asking, rules
from service.platforms.contract import Reference
from tests.measures.helpers import (
    HOUR,
    NONE,
    audience,
    content_of,
    make_due,
    plan,
    publish,
    run,
    states,
    told,
)
from tests.platforms.rig import Rig
from tests.servers.faults import Fault
from tests.support import Installation

pytestmark = pytest.mark.asyncio
MANY = 99


async def test_figures_are_stored_and_no_error_changes_them(
    api: Installation, rig: Rig, tmp_path: Path
) -> None:
    """What the adapter returns is what is stored: nothing added, nothing left out.

    500, 503, a lost answer, an answer without sense: nothing is zeroed, nothing is written.
    """
    out = await publish(api, rig, content_of(rig, tmp_path))
    assert await run(api) == {**NONE, "measured": 2}
    assert await run(api) == NONE, "it is not time again"
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    destination, post = rig.destination(), Reference(row.remote_id, row.details)
    figures = [dict(await rig.platform.metrics(destination, post))]
    followers = [dict(await rig.platform.audience(destination))]
    figures, followers = list(filter(None, figures)), list(filter(None, followers))
    assert (await told(api, out), await audience(api, out.account)) == (figures, followers)
    for fault in (
        Fault("/", 500, times=MANY),
        Fault("/", 503, times=MANY),
        Fault("/", lost=True, times=MANY),
        Fault("/", 200, {"strange": True}, times=MANY),
    ):
        await make_due(api)
        calls = len(rig.server.calls)
        rig.server.fail(fault)
        counts = await run(api)
        fault.times = 0
        asked = len(rig.server.calls) > calls
        assert counts["ended"] == counts["left"] == 0
        # A platform that was not asked, or whose odd answer has no figures, told nothing.
        assert counts["failed"] or not asked or fault.status == 200, fault
        assert (await told(api, out), await audience(api, out.account)) == (figures, followers)
        found = await plan(api, out)
        assert found.claim is None
        if counts["failed"] == 2:
            assert found.error
            most = max(HOUR, rules.retry_delay(found.failures))
            assert timedelta(minutes=9) < found.delay <= most
    assert await states(api) == ["active"]


async def test_tokens_end_and_are_refused(api: Installation, rig: Rig, tmp_path: Path) -> None:
    """G030, V034: one that has ended is renewed and the figures come all the same.

    401 for good: nothing is written, the owner is told once, and nobody asks again for hours.
    """
    out = await publish(api, rig, content_of(rig, tmp_path))
    rig.expire_tokens()
    assert await run(api) == {**NONE, "measured": 2}
    assert await states(api) == ["active"]
    before = await told(api, out), await audience(api, out.account)
    await make_due(api)
    rig.revoke()
    counts = await run(api)
    assert (await told(api, out), await audience(api, out.account)) == before
    if rig.name in asking.RIGHTS_OF_THEIR_OWN:
        assert (await states(api), counts) == (["active"], {**NONE, "failed": 2})
        return
    assert await states(api) == ["needs_reconnect"]
    assert await api.count("notices") == 1
    assert counts["failed"] + counts["left"] + counts["measured"] == 2
    calls = len(rig.server.calls)
    await make_due(api)
    assert await run(api) == {**NONE, "left": 2}
    assert len(rig.server.calls) == calls
    assert (await plan(api, out)).delay > 5 * HOUR
