"""What production refuses at start, each by its name and with what to do."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from service.app import create_app
from service.config import Settings
from service.errors import ConfigurationError
from service.production import refuse_evicting_redis
from service.runtime import Runtime, open_runtime, with_servers
from workers import process

STRONG = "0f3a9c5e7b1d2468ace02468"
DATABASE = "postgresql://app:k3Jd92mXq@db.example.org/almanac"
REDIS = "rediss://:9Xk2mQv7@redis.example.org/0"
OPEN = "REDIS_URL has no password, and its host is on no private network"


def reasons(**values: object) -> list[str]:
    """Return what production refuses of good settings with these changes."""
    good = {"database_url": DATABASE, "redis_url": REDIS, "secret_key": STRONG}
    given = {
        name: SecretStr(value) if isinstance(value, str) else value
        for name, value in {**good, **values}.items()
    }
    return Settings(_env_file=None, environment="production", **given).refusals()  # type: ignore[arg-type] # by name


def test_what_is_good() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "SECRET_KEY is unset"),
        ("k3Jd92mXq", "SECRET_KEY has 9 characters, at least 16 are needed"),
        ("change-me-change-me-42", "SECRET_KEY is a placeholder that everybody knows"),
        ("your_secret_key_goes_here", "SECRET_KEY is a placeholder that everybody knows"),
        ("1" * 40, "SECRET_KEY is a placeholder that everybody knows"),
    ],
)
def test_secrets_that_are_none(secret: str | None, reason: str) -> None:
    """K075: missing, short, or one that everybody knows."""
    (found,) = reasons(secret_key=secret)
    assert found.startswith(reason)
    assert found.endswith("openssl rand -hex 24'")
    assert secret is None or secret not in found


@pytest.mark.parametrize("password", ["postgres", "almanac", "Password", "change%2Dme"])
def test_passwords_that_everybody_knows(password: str) -> None:
    """K075: of either server."""
    (found,) = reasons(database_url=f"postgresql://app:{password}@db/almanac")
    assert found.startswith("DATABASE_URL has a password that everybody knows")
    (found,) = reasons(redis_url=f"redis://:{password}@redis/0")
    assert found.startswith("REDIS_URL has a password that everybody knows")


@pytest.mark.parametrize("host", ["redis.example.org", "8.8.8.8", "[2a00::1]"])
def test_a_redis_that_is_open_to_the_world(host: str) -> None:
    """N058, K072: without a password it must be inside."""
    (found,) = reasons(redis_url=f"redis://{host}:6379/0")
    assert found.startswith(OPEN)
    assert reasons(redis_url=f"redis://:k3Jd92mXq@{host}:6379/0") == []
    assert reasons(redis_url=f"redis://{host}:6379/0?password=k3Jd92mXq") == []
    (found,) = reasons(broker_url=f"redis://{host}:6379/0")
    assert found.startswith("CELERY_BROKER_URL has no password")


@pytest.mark.parametrize(
    "url",
    [
        *("redis://redis:6379/0", "redis://localhost", "redis://10.1.2.3:6379/0"),
        *("redis://[::1]:6379/0", "redis://redis.jobs.svc.cluster.local:6379"),
        *("unix:///run/redis.sock?db=0", "redis://cache.internal"),
    ],
)
def test_a_redis_inside(url: str) -> None:
    assert reasons(redis_url=url) == []


def test_everything_at_once() -> None:
    """Each by its name, so that one start shows all there is to do."""
    found = reasons(database_url=None, redis_url="redis://example.org", secret_key=None, eager=True)
    names = [re.split(r"[ :]", reason)[0] for reason in found]
    assert names == ["DATABASE_URL", "SECRET_KEY", "REDIS_URL", "ALMANAC_EAGER"]
    settings = Settings(
        _env_file=None, environment="production", redis_url=SecretStr("redis://example.org")
    )
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL.*SECRET_KEY.*REDIS_URL"):
        with_servers(settings)


@pytest_asyncio.fixture
async def production(settings: Settings) -> AsyncIterator[Runtime]:
    """The test's servers, as production has them."""
    values = {"environment": "production", "secret_key": SecretStr(STRONG)}
    async with open_runtime(settings.model_copy(update=values), "test") as runtime:
        await runtime.queue.flushdb()
        yield runtime
        await runtime.queue.config_set("maxmemory-policy", "noeviction")


@pytest.mark.asyncio
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_evicts(
    production: Runtime, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither API nor worker starts."""
    await refuse_evicting_redis(production)
    await production.queue.config_set("maxmemory-policy", policy)
    expected = f"Refused in production: Redis has maxmemory-policy {policy}"
    app = create_app(production.settings)
    with pytest.raises(ConfigurationError, match=expected):
        async with app.router.lifespan_context(app):
            raise AssertionError("the API started")
    monkeypatch.setattr(process, "Settings", lambda: production.settings)
    context: dict[object, object] = {}
    with pytest.raises(ConfigurationError, match=expected):
        await process.startup(context)
    assert context == {}


@pytest.mark.asyncio
async def test_development_may_evict(runtime: Runtime) -> None:
    await runtime.queue.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await refuse_evicting_redis(runtime)
    finally:
        await runtime.queue.config_set("maxmemory-policy", "noeviction")


@pytest.mark.asyncio
async def test_a_redis_that_is_away_is_not_refused(production: Runtime) -> None:
    """The API starts without it."""
    away = production.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1")})
    async with open_runtime(away, "test") as runtime:
        await refuse_evicting_redis(runtime)
