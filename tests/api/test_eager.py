"""Eager mode over HTTP: what a request asks for is done when it is answered."""

import pytest
import pytest_asyncio

from service.config import Settings
from tests.support import Installation

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def settings(settings: Settings) -> Settings:
    """Settings of a laptop without workers."""
    return settings.model_copy(update={"eager": True})


async def test_a_post_is_out_when_the_request_is_answered(api: Installation) -> None:
    """N040: no worker, no queue."""
    post = await api.schedule([await api.connect()])
    assert (await api.read_post(post["id"]))["state"] == "published"
    assert await api.queued() == []


async def test_a_batch_has_its_report(api: Installation) -> None:
    """Its jobs run in order, the report after the posts."""
    draft = await api.schedule([], "draft")
    body = {"posts": [draft["id"]], "accounts": [await api.connect()]}
    batch = (await api.post("/v1/posts/batch", body)).json()
    job = (await api.get(f"/v1/jobs/batch:{batch['id']}")).json()
    assert (job["state"], job["result"]["published"]) == ("succeeded", 1)
