"""How posts and accounts do, on their pages."""

import json
from uuid import UUID

import pytest

from service.measures import measuring
from service.platforms.contract import Content
from tests.dashboard.person import Person
from tests.measures.helpers import DAY, Out, measured, publish
from tests.platforms.rig import Rig
from tests.platforms.rigs import RIGS
from tests.servers.bluesky import BlueskyServer

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x>'


async def rigged(person: Person, server: BlueskyServer) -> tuple[Rig, Out]:
    """Return a platform and a post that is out there."""
    rig = RIGS["bluesky"][1](server, person.api.runtime.outbound)
    return rig, await publish(person.api, rig, Content("Hello"))


async def measure_days(person: Person, kind: str, subject: UUID, *figures: dict[str, int]) -> None:
    """Store figures of the last days, the newest last."""
    for days, told in enumerate(reversed(figures)):
        await measured(person.api, kind, subject, days * DAY, **told)


async def test_before_the_first_figures_a_page_says_when_they_come(admin: Person) -> None:
    with BlueskyServer() as server:
        _, out = await rigged(admin, server)
        page = await admin.get(f"/posts/{out.post}")
        assert "How it does" in page.text
        assert "alice.test: the first figures come within minutes." in page.text
        assert page.main.select(".chart") == []
        page = await admin.get(f"/accounts/{out.account}")
        assert "The first figures come within minutes." in page.text


async def test_a_post_shows_its_figures(admin: Person) -> None:
    """The newest with what changed in a day; charts tell the same as tables without scripts."""
    with BlueskyServer() as server:
        _, out = await rigged(admin, server)
        await measure_days(
            admin, "delivery", out.delivery, {"likes": 4}, {"likes": 1500, "comments": 0}
        )
        page = await admin.get(f"/posts/{out.post}")
    (row,) = page.rows("#figures + table")
    assert row[:3] == ["Bluesky alice.test", "1,500 +1496 in 24 h", "0"]
    (chart,) = page.main.select(".chart")
    data = json.loads(str(chart["data-chart"]))
    assert data["lines"] == [["Bluesky alice.test", "busy", [4, 1500]]]
    assert [row[1] for row in page.rows("#chart-likes table")] == ["1,500", "4"]


async def test_an_error_is_shown_beside_the_last_figures(admin: Person) -> None:
    """Hostile words of a platform are words; what is gone says so."""
    with BlueskyServer() as server:
        _, out = await rigged(admin, server)
        await measure_days(admin, "delivery", out.delivery, {"likes": 4})
        await admin.api.sql(
            "INSERT INTO delivery_measuring (delivery_id, next_at, error) "
            "VALUES (:id, now() + interval '630 seconds', :error)",
            id=out.delivery,
            error=HOSTILE,
        )
        page = await admin.get(f"/posts/{out.post}")
        assert f"{HOSTILE}. It is asked again in 10 min" in page.text
        assert page.rows("#figures + table")[0][1] == "4"
        await admin.api.sql("UPDATE delivery_measuring SET next_at = NULL, missing_since = now()")
        page = await admin.get(f"/posts/{out.post}")
        assert "does not have it any more, these are its last figures." in page.text


async def test_an_account_shows_its_followers(admin: Person) -> None:
    with BlueskyServer() as server:
        _, out = await rigged(admin, server)
        await measuring.run(admin.api.runtime)
        page = await admin.get(f"/accounts/{out.account}")
        assert "Followers 12" in page.text
        assert page.main.select(".chart") == []
        await measure_days(admin, "account", out.account, {"followers": 9}, {"followers": 8})
        page = await admin.get(f"/accounts/{out.account}")
        assert [row[1] for row in page.rows("#chart-followers table")][-1] == "9"


async def test_where_nobody_tells_nothing_is_said(admin: Person) -> None:
    """A feed of our own has no figures."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], "Out")
    await admin.api.work()
    assert "How it does" not in (await admin.get(f"/posts/{post['id']}")).text
    assert "How it does" not in (await admin.get(f"/accounts/{account}")).text
