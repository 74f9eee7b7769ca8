"""Both servers over TLS, and certificates that are not trusted."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio
from pydantic import SecretStr
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.engine import make_url

from service.config import Settings
from service.errors import ConfigurationError
from service.queue import connect
from service.runtime import Runtime, database_url, open_runtime
from tests.platforms.certificates import authority, certificate
from tests.servers.tls import speaking_tls
from tests.support import Installation

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True, slots=True)
class Secure:
    """Settings whose servers speak TLS, and the authority that signed their certificates."""

    settings: Settings
    authority: Path
    redis_port: int


@pytest_asyncio.fixture
async def secure(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Secure]:
    """The test's servers behind TLS, under the name localhost."""
    authority(tmp_path)
    signed = certificate(tmp_path, "localhost")
    assert settings.redis_url is not None
    assert settings.database_url is not None
    redis = urlsplit(settings.redis_url.get_secret_value())
    database = make_url(settings.database_url.get_secret_value())
    folder, port = database.query["host"], database.query["port"]
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "authority.pem"))
    async with AsyncExitStack() as stack:
        redis_port = await stack.enter_async_context(
            speaking_tls(Path(unquote(redis.path)), signed)
        )
        database_port = await stack.enter_async_context(
            speaking_tls(Path(f"{folder}/.s.PGSQL.{port}"), signed, postgresql=True)
        )
        trust = f"ssl_ca_certs={tmp_path / 'authority.pem'}"
        urls = {
            "redis_url": SecretStr(f"rediss://localhost:{redis_port}/0?{trust}"),
            "database_url": SecretStr(
                f"postgresql://postgres@localhost:{database_port}/{database.database}"
                "?sslmode=verify-full"
            ),
        }
        yield Secure(settings.model_copy(update=urls), tmp_path / "authority.pem", redis_port)


async def test_a_post_is_published_over_tls(secure: Secure, api: Installation) -> None:
    """V085, T063: rows and jobs, the worker's wake-up among them, over rediss:// and sslmode."""
    account = await api.connect()
    async with open_runtime(secure.settings, "secure") as runtime:
        (seen,) = await runtime.database.execute(text("SELECT inet_client_addr() IS NULL AS local"))
        assert seen.local  # the proxy talks to the socket
        sender = Installation(runtime, api.http, api.key)
        post = await sender.schedule([account])
        await sender.work()
    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_a_server_of_redis_that_is_not_trusted(secure: Secure) -> None:
    """V085: nothing is sent to it."""
    for host in (f"localhost:{secure.redis_port}/0", f"127.0.0.1:{secure.redis_port}/0?"
                 f"ssl_ca_certs={secure.authority}"):  # fmt: skip
        client = connect(f"rediss://{host}", retries=0)
        with pytest.raises(RedisError, match="certificate verify failed"):
            await client.ping()
        await client.aclose()


async def test_a_server_of_postgresql_that_is_not_trusted(
    secure: Secure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """V085: with verify-full its name and its certificate count."""
    other = tmp_path / "other"
    other.mkdir()
    authority(other)
    (other / "authority.pem").write_bytes(certificate(other, "nobody").read_bytes())
    monkeypatch.setenv("PGSSLROOTCERT", str(other / "authority.pem"))
    async with open_runtime(secure.settings, "secure") as runtime:
        with pytest.raises(OSError, match="certificate verify failed"):
            await asking(runtime)


async def asking(runtime: Runtime) -> None:
    """Ask the database anything."""
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(text("SELECT 1"))


async def test_files_of_libpq_are_named(settings: Settings) -> None:
    """What would silently have no effect is refused, with what has."""
    url = "postgresql://app@db/almanac?sslmode=verify-full&sslrootcert=/ca.pem"
    with pytest.raises(ConfigurationError, match="give sslrootcert as PGSSLROOTCERT"):
        database_url(settings.model_copy(update={"database_url": SecretStr(url)}))


async def test_the_url_of_the_embedded_server_stays(settings: Settings) -> None:
    assert settings.database_url is not None
    assert make_url(database_url(settings)) == make_url(settings.database_url.get_secret_value())
