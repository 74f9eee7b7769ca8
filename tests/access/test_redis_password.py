"""A Redis that wants a password, as production's does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from redis.exceptions import RedisError

from service.app import create_app
from service.config import Settings
from service.queue import connect
from service.runtime import Runtime, open_runtime
from tests.support import Installation

pytestmark = pytest.mark.asyncio
PASSWORD = "k3Jd92mXq"


def with_password(settings: Settings, password: str) -> Settings:
    """Return settings whose Redis is asked with this password."""
    assert settings.redis_url is not None
    url = settings.redis_url.get_secret_value().replace("unix://", f"unix://:{password}@")
    return settings.model_copy(update={"redis_url": SecretStr(url)})


@pytest_asyncio.fixture
async def guarded(settings: Settings, runtime: Runtime) -> AsyncIterator[Settings]:
    """Settings of the test's servers, of which Redis wants a password."""
    right = with_password(settings, PASSWORD)
    assert right.redis_url is not None
    await runtime.queue.config_set("requirepass", PASSWORD)
    yield right
    client = connect(right.redis_url.get_secret_value())
    await client.config_set("requirepass", "")
    await client.aclose()


@asynccontextmanager
async def serving(settings: Settings, key: str = "") -> AsyncIterator[Installation]:
    """An installation with these settings."""
    app = create_app(settings)
    async with open_runtime(settings, "guarded") as runtime, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as http:
            yield Installation(runtime, http, key)


async def test_with_the_password(guarded: Settings, api: Installation) -> None:
    """K072, N058: a post is scheduled and published."""
    async with serving(guarded, api.key) as site:
        post = await site.schedule([await site.connect()])
        await site.work()
        assert (await site.read_post(post["id"]))["state"] == "published"


@pytest.mark.parametrize("password", ["wrong", None])
async def test_without_it(guarded: Settings, settings: Settings, password: str | None) -> None:
    """G061: who asks is told, and the API is not ready; the password is in no answer."""
    given = with_password(settings, password) if password else settings
    async with serving(given) as site:
        reply = await site.http.get("/readyz")
    assert reply.status_code == 503
    assert (reply.json()["database"], reply.json()["queue"] == "ok") == ("ok", False)
    assert PASSWORD not in reply.text
    assert given.redis_url is not None
    client = connect(given.redis_url.get_secret_value(), retries=0)
    with pytest.raises(RedisError, match=r"Authentication required|invalid username-password"):
        await client.ping()
    await client.aclose()
