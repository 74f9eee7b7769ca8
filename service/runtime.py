"""What one process opens at start: database, queue, outbound client, platforms, keys."""

import asyncio
import importlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from service import durable, embedded
from service.config import Settings
from service.db.session import Database, UnitOfWork
from service.durable import Prepared
from service.errors import ConfigurationError
from service.kit.crypto import Keyring
from service.kit.outbound import Outbound
from service.kit.redaction import protect
from service.platforms.contract import Platform
from service.platforms.registry import build
from service.platforms.setup import App, Setup
from service.queue import (
    ROW_OWNER,
    JobCall,
    Owner,
    QueueClient,
    Resolve,
    connect,
    sending,
    use_keyring,
)

SEND_TIMEOUT = 0.25
"""Seconds that a reply may wait for the queue; afterwards the sweep owns the jobs."""
REDIS_PORT = 6379
TLS_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
"""What libpq reads from a URL, and asyncpg from its environment only."""
SENT_PER_SECOND = 4000
"""Jobs that a busy queue takes at least: many may take longer."""

_OWNERS = {ROW_OWNER: "service.monitoring.rows.RowOwner"}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open resources of a process."""

    settings: Settings
    database: Database
    queue: QueueClient
    outbound: Outbound
    platforms: Mapping[str, Platform]
    keyring: Keyring

    def unit_of_work(self) -> UnitOfWork:
        """Begin a unit of work whose jobs go to the queue after its commit."""
        return UnitOfWork(self.database.session(), self)

    def named(self, calls: Sequence[JobCall]) -> list[JobCall]:
        """Return the calls, each with the id of its job; see `Sender`."""
        return durable.named(calls)

    def prepare(self, calls: Sequence[JobCall]) -> Prepared:
        """Write calls down, the durable ones as rows too; see `Sender`."""
        return durable.prepare(self.queue, calls, self.settings.enqueue_horizon)

    async def send(self, prepared: Prepared, new_rows: Collection[str]) -> None:
        """Send what is committed, if the queue is there at once; see `Sender`.

        In eager mode what is due runs here and now, instead of being sent.
        """
        entries = prepared.to_send(new_rows)
        if self.settings.eager:
            due, entries = durable.split_due(entries)
            await load("workers.direct.run_all")(self, due)
        try:
            async with asyncio.timeout(SEND_TIMEOUT + len(entries) / SENT_PER_SECOND):
                await self.queue.send(entries)
        except (RedisError, OSError, TimeoutError) as error:
            # The rows are committed: the sweep will queue what is missing.
            log.warning("queue away, %d jobs left to the sweep: %s", len(entries), error)

    def sending(self, calls: Sequence[JobCall]) -> AbstractContextManager[None]:
        """Record writing down and sending as one span; see `Sender`."""
        return sending(calls)

    def owners(self, caller: object) -> Resolve:
        """Return what finds the owners of jobs, who then act for this caller."""

        def resolve(path: str) -> Owner:
            owner: Owner = load(_OWNERS.get(path, path))(self, caller)
            return owner

        return resolve


class ServersDown(ConfigurationError):
    """No embedded servers are running."""


def with_servers(settings: Settings) -> Settings:
    """Return settings in which both URLs are set, from running embedded servers where unset.

    Raises:
        ConfigurationError: production refuses these settings, or no embedded servers are running.
    """
    if reasons := settings.refusals():
        raise ConfigurationError("Refused in production: " + "; ".join(reasons))
    _check_result_backend(settings)
    if not settings.embedded:
        return settings
    endpoints = embedded.running(settings.home)
    if endpoints is None:
        raise ServersDown(
            f"DATABASE_URL or REDIS_URL is unset and no embedded servers run in {settings.home}: "
            "start them with 'almanac up', or set both URLs"
        )
    return settings.model_copy(
        update={
            "environment": settings.environment or "development",
            "database_url": settings.database_url or SecretStr(endpoints.database_url),
            "redis_url": settings.redis_url or SecretStr(endpoints.redis_url),
            "secret_key": settings.secret_key or SecretStr(generated_secret(settings.home)),
        }
    )


def generated_secret(home: Path) -> str:
    """Return the secret key of an embedded installation, made at the first call."""
    path = home / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    return path.read_text().strip()


def _keyring(settings: Settings) -> Keyring:
    if settings.secret_key is None:
        raise ConfigurationError("SECRET_KEY is unset: set it to at least 16 random characters")
    old = settings.secret_key_old.get_secret_value().split() if settings.secret_key_old else []
    return Keyring([settings.secret_key.get_secret_value(), *old])


def _url(secret: SecretStr | None) -> str:
    assert secret is not None, "with_servers() sets both URLs"
    return secret.get_secret_value()


def database_url(settings: Settings) -> str:
    """Return DATABASE_URL for asyncpg, whatever driver it names.

    Raises:
        ConfigurationError: it is no URL of PostgreSQL, or has a part that has no effect.
    """
    given = _url(with_servers(settings).database_url)
    scheme, separator, rest = given.partition("://")
    if scheme.partition("+")[0] not in {"postgresql", "postgres"} or not separator:
        raise ConfigurationError("DATABASE_URL must begin with postgresql://")
    try:
        url = make_url(f"postgresql+asyncpg://{rest}")
    except (SQLAlchemyError, ValueError):  # their texts may have the password
        raise ConfigurationError(
            "DATABASE_URL: host or port cannot be read; expected is "
            "postgresql://user:password@host:5432/name, percent-encoded"
        ) from None
    if files := TLS_FILES.intersection(url.query):
        names = ", ".join(f"PG{name.upper()}" for name in sorted(files))
        raise ConfigurationError(f"DATABASE_URL: give {', '.join(sorted(files))} as {names}")
    if "sslmode" in url.query:  # asyncpg has another name for it
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url.render_as_string(hide_password=False)


def open_queue(settings: Settings, *, retries: int = 8) -> QueueClient:
    """Return a client of the queues; it connects at its first use.

    Raises ConfigurationError, naming the variable; see `connect`.
    """
    settings = with_servers(settings)
    try:
        return connect(_url(settings.queue_url), retries=retries)
    except ConfigurationError as error:
        name = "CELERY_BROKER_URL" if settings.broker_url else "REDIS_URL"
        raise ConfigurationError(f"{name}: {error.message}") from None


def _check_result_backend(settings: Settings) -> None:
    """Refuse results on another server than the queues': they would not be found there."""
    backend, queues = settings.result_backend, settings.queue_url
    if backend is None or (queues is not None and _server(backend) == _server(queues)):
        return
    raise ConfigurationError(
        "CELERY_RESULT_BACKEND names another server than the queues', which keep their results "
        "themselves: unset it, or give it the server of CELERY_BROKER_URL or REDIS_URL"
    )


def _server(url: SecretStr) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url.get_secret_value())
        path = parts.path if parts.scheme == "unix" else ""
        return f"{parts.scheme}{path}", parts.hostname, parts.port or REDIS_PORT
    except ValueError:
        return "", None, None


def _telemetry() -> Any:
    """Return what records spans, which need not be installed."""
    try:
        return load("service.telemetry.recording")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"Traces are to be sent (ALMANAC_OTLP_ENDPOINT), but {error.name} is not installed: "
            "pip install 'almanac[otel]'"
        ) from error


@asynccontextmanager
async def open_runtime(
    settings: Settings, name: str, *, retries: int = 8
) -> AsyncIterator[Runtime]:
    """Open everything a process needs, and close it again.

    Args:
        settings: as read from the environment.
        name: names the process in PostgreSQL's and Redis's lists of clients.
        retries: how often a command to Redis is tried again; see `connect`.
    """
    settings = with_servers(settings)
    if settings.broker_url is not None:
        log.info("the queues are at CELERY_BROKER_URL, not at REDIS_URL")
    protect(*settings.secrets)
    async with AsyncExitStack() as stack:
        if settings.traces_to is not None:
            await stack.enter_async_context(_telemetry()(settings.traces_to, name))
        database = Database(
            database_url(settings), name=f"almanac.{name}", pool_size=settings.pool_size
        )
        stack.push_async_callback(database.close)
        queue = open_queue(settings, retries=retries)
        stack.push_async_callback(queue.aclose)
        keyring = _keyring(settings)
        use_keyring(keyring)
        outbound = await stack.enter_async_context(Outbound(settings.allowed_private_hosts))
        yield Runtime(
            settings=settings,
            database=database,
            queue=queue,
            outbound=outbound,
            platforms=build(platform_setup(settings, outbound)),
            keyring=keyring,
        )


def platform_setup(settings: Settings, outbound: Outbound) -> Setup:
    """Return what adapters are made with."""
    apps = {
        name: App(app.client_id, app.client_secret.get_secret_value())
        for name, app in settings.apps.items()
    }
    return Setup(outbound, apps, settings.platform_urls)


def load(path: str) -> Any:
    """Return the object at a dotted path: how declared jobs find their coroutines."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
