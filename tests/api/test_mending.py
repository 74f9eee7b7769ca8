"""A post that a platform has refused is mended and sent again, without being written anew."""

from typing import Any

import httpx
import pytest

from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def patch(api: Installation, post: Any, **body: object) -> httpx.Response:
    return await api.request("PATCH", f"/v1/posts/{post['id']}", json=body)


async def test_what_was_refused_is_mended_and_sent(api: Installation) -> None:
    """V003: the new text goes out, once; the refused attempt stays to be seen."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=400, body={"error": "no cats"}))
        post = await api.schedule([account], "A cat")
        await api.work()
        changed = await patch(api, post, text="A dog")
        assert changed.status_code == 200, changed.text
        assert changed.json()["state"] == "failed", "nobody has said when"
        await api.work()
        assert receiver.posts == []
        assert (await api.post(f"/v1/posts/{post['id']}/retry", {})).status_code == 200
        await api.work()
        assert [sent["text"] for sent in receiver.posts] == ["A dog"]
        shown = await api.read_post(post["id"])
        (attempts,) = shown["attempts"].values()
        assert [attempt["outcome"] for attempt in attempts] == ["failed", "published"]


async def test_a_new_time_schedules_it(api: Installation) -> None:
    """With its attempts before it again."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=400))
        post = await api.schedule([account], "A cat")
        await api.work()
        moved = (await patch(api, post, publish_at=in_seconds(3600))).json()
        (delivery,) = moved["deliveries"]
        assert (delivery["state"], delivery["attempts"], delivery["error"]) == (
            "scheduled",
            0,
            None,
        )


async def test_what_may_be_out_is_not_mended(api: Installation) -> None:
    """One account has it already: its text is what readers see."""
    with WebhookServer() as receiver:
        hook = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=400))
        post = await api.schedule([await api.connect(), hook], "A cat")
        await api.work()
        refused = await patch(api, post, text="A dog")
        assert refused.status_code == 409
        assert "feed is published" in refused.json()["detail"]
        assert (await api.read_post(post["id"]))["text"] == "A cat"


async def test_what_was_prepared_holds_the_old_content(api: Installation) -> None:
    """A container made with the old text is not published; a new time alone changes nothing."""
    post = await api.schedule([await api.connect()], "Old", publish_at=in_seconds(3600))
    await api.sql("UPDATE deliveries SET handles = jsonb_build_object('container', '17')")

    async def handles() -> object:
        (row,) = await api.sql("SELECT handles FROM deliveries")
        return row.handles

    assert (await patch(api, post, publish_at=in_seconds(7200))).status_code == 200
    assert await handles() == {"container": "17"}
    assert (await patch(api, post, text="New")).status_code == 200
    assert await handles() == {}


async def test_what_no_longer_fits_is_refused_when_it_is_due(api: Installation) -> None:
    """V003: limits change between the writing and the hour; nothing is sent, and it says why."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = await api.schedule([account], "Four", publish_at=in_seconds(0.2))
        await api.sql("UPDATE accounts SET limits = limits || '{\"text_units\": 3}'")
        await api.work()
        (delivery,) = (await api.read_post(post["id"]))["deliveries"]
        assert (delivery["state"], delivery["error"]) == (
            "failed",
            "Webhook does not take this any more: text: Too long by 1: 4 characters, at most 3 are "
            "allowed.",
        )
        assert receiver.posts == []
