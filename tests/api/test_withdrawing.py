"""Taking back what is out."""

import pytest

from tests.servers.webhook import WebhookServer
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def test_a_post_is_taken_back_where_that_can_be_done(api: Installation) -> None:
    """The feed shows it no more; of the webhook it says that a person must do it."""
    with WebhookServer() as receiver:
        feed = await api.connect()
        hook = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = await api.schedule([feed, hook], "A mistake")
        await api.work()
        handle = (await api.get(f"/v1/accounts/{feed}")).json()["handle"]
        assert "A mistake" in (await api.http.get(f"/feeds/{handle}")).text

        answer = await api.post(f"/v1/posts/{post['id']}/withdraw", {})
        assert answer.status_code == 202, answer.text
        await api.work()
        removed, kept = (await api.read_post(post["id"]))["deliveries"]
        assert removed["removed_at"] is not None
        assert removed["removal_error"] is None
        assert removed["state"] == "published", "it was; that stays its history"
        assert kept["removed_at"] is None
        assert kept["removal_error"] == "Webhook lets no app remove a post: remove it there"
        assert "A mistake" not in (await api.http.get(f"/feeds/{handle}")).text

        again = await api.post(f"/v1/posts/{post['id']}/withdraw", {})
        assert again.status_code == 202, "the webhook's may be tried again"
        await api.work()
        assert (await api.read_post(post["id"]))["deliveries"][0] == removed


async def test_nothing_that_is_not_out_can_be_taken_back(api: Installation) -> None:
    """A scheduled post is cancelled instead."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    answer = await api.post(f"/v1/posts/{post['id']}/withdraw", {})
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Nothing of this post is out"
    assert (await api.read_post(post["id"]))["state"] == "scheduled"
    stranger = await api.new_key("posts:write")
    path = f"/v1/posts/{post['id']}/withdraw"
    assert (await api.post(path, {}, key=stranger)).status_code == 404
