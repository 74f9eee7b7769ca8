"""What tests say in one line: ask the API, connect an account, run the jobs that are due."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from arq.worker import get_kwargs
from pydantic import SecretStr
from sqlalchemy import text

from service.access.actions import create_key
from service.config import Settings
from service.embedded.account import server_account
from service.monitoring.recording import Recorder
from service.runtime import Runtime
from workers import (
    analytics,
    default,
    emails,
    maintenance,
    media,
    notifications,
    publishing,
    rosters,
    users,
    webhooks,
)
from workers.engine import LEDGER, Worker
from workers.ledger import JobLedger

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
"""The smallest picture: one transparent pixel."""


@contextmanager
def server_folder() -> Iterator[Path]:
    """A private folder that servers can enter, with a short path (for sockets) and a space."""
    with tempfile.TemporaryDirectory(prefix="alm ") as name:
        folder = Path(name)
        if server_account().uid is not None:
            # Root without user namespaces: the servers, running as nobody, must get through.
            folder.chmod(0o711)
        yield folder


def settings_for(database_url: str, redis_url: str, home: Path) -> Settings:
    """Return a test's settings: these servers, nothing of the environment."""
    return Settings(
        _env_file=None,
        environment="development",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        secret_key=SecretStr("a secret that only tests use"),
        home=home,
        public_url="http://almanac.test",
        allowed_private_hosts=("127.0.0.1",),
    )


def in_seconds(seconds: float) -> str:
    """Return a time from now as the API takes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def problems(response: httpx.Response) -> dict[str, str]:
    """Return the messages of a refusal by field."""
    return {problem["field"]: problem["message"] for problem in response.json()["problems"]}


SANDBOXED = ("x", "instagram")
"""Platforms of which `connect` makes accounts that only look like theirs, by default."""


@dataclass(slots=True)
class Installation:
    """An API, its runtime and an admin's key."""

    runtime: Runtime
    http: httpx.AsyncClient
    key: str
    handles: int = field(default=0)

    async def request(
        self, method: str, path: str, *, key: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request with a key, the admin's by default."""
        headers = {"Authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        """POST JSON."""
        return await self.request("POST", path, json=body, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return await self.request("GET", path, **options)

    async def new_key(self, *scopes: str, user: str = "somebody") -> str:
        """Make a key of another user."""
        async with self.runtime.unit_of_work() as uow:
            return await create_key(uow.session, "test", scopes, user)

    async def connect(
        self,
        platform: str = "feed",
        credentials: Mapping[str, str] | None = None,
        *,
        base_url: str | None = None,
        key: str | None = None,
    ) -> str:
        """Connect an account, by default a feed of a new handle; return its id."""
        self.handles += 1
        body: dict[str, object] = {
            "platform": platform,
            "credentials": credentials or {"handle": f"handle{self.handles}"},
        }
        if base_url:
            body["base_url"] = base_url
        if platform in SANDBOXED and "access_token" not in (credentials or {}):
            body["sandbox"] = True
        response = await self.post("/v1/accounts", body, key=key)
        assert response.status_code == 201, response.text
        account_id: str = response.json()["id"]
        return account_id

    async def schedule(self, accounts: Sequence[str], text: str = "Hello", **body: Any) -> Any:
        """Schedule a post and return it."""
        response = await self.post("/v1/posts", {"text": text, "accounts": accounts, **body})
        assert response.status_code == 201, response.text
        return response.json()

    async def read_post(self, post_id: str) -> Any:
        """Return a post as it is now."""
        response = await self.get(f"/v1/posts/{post_id}")
        assert response.status_code == 200, response.text
        return response.json()

    def worker(self, queue: str = "publishing", **overrides: Any) -> Worker:
        """Return a worker of a queue on the test's servers; it stops when the queue is empty."""
        modules = {
            "publishing": publishing,
            "maintenance": maintenance,
            "webhooks": webhooks,
            "media": media,
            "analytics": analytics,
            "emails": emails,
            "users": users,
            "notifications": notifications,
            "rosters": rosters,
            "default": default,
        }
        module = modules[queue]
        return Worker(
            **{
                **get_kwargs(module.WorkerSettings),
                "redis_pool": self.runtime.queue,
                "on_startup": None,
                "on_shutdown": None,
                "cron_jobs": None,
                "ctx": {"runtime": self.runtime, LEDGER: JobLedger(self.runtime)},
                "burst": True,
                "handle_signals": False,
                **overrides,
            }
        )

    async def work(self, queue: str = "publishing", **overrides: Any) -> Worker:
        """Run all jobs of a queue, waiting for deferred ones too."""
        worker = self.worker(queue, **overrides)
        await worker.async_run()
        return worker

    async def record(self) -> int:
        """Record the runs that ended, as the maintenance process does; return how many."""
        return await Recorder(self.runtime).catch_up()

    async def count(self, table: str) -> int:
        """Return how many rows a table has."""
        (row,) = await self.runtime.database.execute(text(f"SELECT count(*) FROM {table}"))
        return int(row[0])

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run one statement."""
        return await self.runtime.database.execute(text(statement), values)

    async def queued(self, queue: str = "publishing") -> list[str]:
        """Return the ids of all jobs in a queue."""
        ids: list[bytes] = await self.runtime.queue.zrange(f"almanac:{queue}", 0, -1)
        return [job_id.decode() for job_id in ids]
