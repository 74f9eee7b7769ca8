"""Posts whose time has long passed when a worker first sees them: ask, skip or send."""

from typing import Any

import pytest

from service.posts import sweeping
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def delivery_of(api: Installation, post: Any) -> Any:
    (delivery,) = (await api.read_post(post["id"]))["deliveries"]
    return delivery


async def after_downtime(api: Installation, post: Any, hours: float = 4) -> None:
    """Let everything have been down since before the post's time."""
    await api.sql(
        "UPDATE deliveries SET due_at = now() - :late * interval '1 hour',"
        " next_run_at = now() - :late * interval '1 hour' WHERE post_id = :post",
        late=hours,
        post=post["id"],
    )
    await api.runtime.queue.flushdb()
    await sweeping.sweep(api.runtime)
    await api.work()


async def test_too_late_asks_a_person(api: Installation) -> None:
    """By default such a post is held; told to, it goes out, once."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    await after_downtime(api, post)
    held = await delivery_of(api, post)
    assert (held["state"], held["hold"], held["attempts"]) == ("held", "late", 0)
    assert held["error"] == (
        "It would be 4.0 hours late: publish it now all the same, move it, or cancel it"
    )
    await after_downtime(api, post)
    assert (await delivery_of(api, post))["state"] == "held"

    assert (await api.post(f"/v1/posts/{post['id']}/retry", {})).status_code == 200
    await api.work()
    published = await delivery_of(api, post)
    assert (published["state"], published["hold"]) == ("published", None)
    assert published["lateness_ms"] < 60_000, "the person gave it this time"


async def test_one_that_is_held_as_late_can_be_moved_or_cancelled(api: Installation) -> None:
    """Moved, it is scheduled anew."""
    account = await api.connect()
    moved, cancelled = [
        await api.schedule([account], publish_at=in_seconds(3600)) for _ in range(2)
    ]
    for post in (moved, cancelled):
        await after_downtime(api, post)
    later = in_seconds(7200)
    answer = await api.request("PATCH", f"/v1/posts/{moved['id']}", json={"publish_at": later})
    assert answer.status_code == 200, answer.text
    delivery = await delivery_of(api, moved)
    assert (delivery["state"], delivery["hold"]) == ("scheduled", None)
    assert (await api.post(f"/v1/posts/{cancelled['id']}/cancel", {})).json()["state"] == (
        "cancelled"
    )


async def test_a_reconnected_account_does_not_release_what_is_late(api: Installation) -> None:
    """Two kinds of holding are two decisions."""
    account = await api.connect()
    post = await api.schedule([account], publish_at=in_seconds(3600))
    await after_downtime(api, post)
    again = await api.post(
        f"/v1/accounts/{account}/reconnect", {"credentials": {"handle": "handle1"}}
    )
    assert again.status_code == 200, again.text
    assert (await delivery_of(api, post))["state"] == "held"


@pytest.mark.parametrize(("late", "state"), [("skip", "cancelled"), ("send", "published")])
async def test_a_post_says_for_itself(api: Installation, late: str, state: str) -> None:
    """Its own policy outranks the setting."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600), late=late)
    assert post["late"] == late
    await after_downtime(api, post)
    delivery = await delivery_of(api, post)
    assert delivery["state"] == state
    if late == "skip":
        assert delivery["error"] == "Not published: it would have been 4.0 hours late"
        assert (delivery["attempts"], delivery["published_at"]) == (0, None)


async def test_what_is_a_little_late_is_sent(api: Installation) -> None:
    """Two hours are within the limit of three."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    await after_downtime(api, post, hours=2)
    assert (await delivery_of(api, post))["state"] == "published"


async def test_a_retry_is_never_too_late(api: Installation) -> None:
    """Only what nobody has taken up yet is asked about."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    await api.sql("UPDATE deliveries SET began_at = now() - interval '5 hours', state = 'retrying'")
    await after_downtime(api, post)
    assert (await delivery_of(api, post))["state"] == "published"
