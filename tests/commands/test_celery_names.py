"""The names under which an installation of Celery has set its Redis."""

import pytest
from pydantic import SecretStr

from service.config import Settings
from service.errors import ConfigurationError
from service.monitoring import jobs
from service.runtime import Runtime, open_runtime, with_servers

pytestmark = pytest.mark.asyncio


def other_database(settings: Settings, number: int) -> SecretStr:
    """Return the URL of another database of the same server."""
    assert settings.redis_url is not None
    return SecretStr(settings.redis_url.get_secret_value().replace("db=0", f"db={number}"))


async def test_the_broker_url_wins(runtime: Runtime) -> None:
    """G019, G020, T050: with it the queues are there, and nothing of them is at REDIS_URL."""
    broker = other_database(runtime.settings, 5)
    settings = runtime.settings.model_copy(update={"broker_url": broker})
    async with open_runtime(settings, "test") as moved:
        try:
            await moved.queue.enqueue(jobs.clean())
            assert await moved.queue.zcard("almanac:maintenance") == 1
        finally:
            await moved.queue.flushdb()
    assert await runtime.queue.zcard("almanac:maintenance") == 0


async def test_it_is_enough(settings: Settings) -> None:
    """T049, T050: REDIS_URL may be unset; unset both, the server is an embedded one."""
    alone = settings.model_copy(update={"broker_url": settings.redis_url, "redis_url": None})
    assert (alone.embedded, with_servers(alone)) == (False, alone)
    assert settings.model_copy(update={"redis_url": None}).embedded


async def test_results_are_where_the_queues_are(settings: Settings) -> None:
    """G021, T051: another database of the same server is accepted, another server refused."""
    same = settings.model_copy(update={"result_backend": other_database(settings, 3)})
    assert with_servers(same) == same
    for other in (
        "redis://127.0.0.1:1/0",
        "db+postgresql://x/y",
        "rpc://",
        "redis://[",
        "unix:///x",
    ):
        elsewhere = settings.model_copy(update={"result_backend": SecretStr(other)})
        with pytest.raises(ConfigurationError, match="CELERY_RESULT_BACKEND names another server"):
            with_servers(elsewhere)
