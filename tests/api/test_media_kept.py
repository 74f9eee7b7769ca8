"""A file that any part of a post shows is kept."""

import httpx
import pytest

from tests.support import PNG, Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def upload(api: Installation) -> str:
    answer = await api.request("POST", "/v1/media", files={"file": ("a.png", PNG, "image/png")})
    media_id: str = answer.raise_for_status().json()["id"]
    return media_id


async def delete(api: Installation, media_id: str) -> httpx.Response:
    return await api.request("DELETE", f"/v1/media/{media_id}")


async def test_an_account_s_own_media_are_kept(api: Installation) -> None:
    """They are in no list of the post itself."""
    media_id, account = await upload(api), await api.connect()
    own = {account: {"media": [{"id": media_id}]}}
    post = await api.schedule([account], publish_at=in_seconds(3600), overrides=own)
    refused = await delete(api, media_id)
    assert refused.status_code == 409
    assert refused.json()["detail"] == "A post shows this file, so it is kept"
    path = f"/v1/posts/{post['id']}"
    changed = await api.request("PATCH", path, json={"overrides": {}})
    assert changed.status_code == 200, changed.text
    assert (await delete(api, media_id)).status_code == 204


async def test_the_media_of_a_thread_are_kept(api: Installation) -> None:
    """Also of a draft that goes to no account yet."""
    media_id = await upload(api)
    thread = [{"text": "Second", "media": [{"id": media_id}]}]
    post = await api.schedule([], thread=thread, draft=True)
    assert (await delete(api, media_id)).status_code == 409
    assert (await api.request("DELETE", f"/v1/posts/{post['id']}")).status_code == 204
    assert (await delete(api, media_id)).status_code == 204
