"""`almanac verify --jobs`: every declared job once, on servers made for it, and a post for real."""

import asyncio
import inspect
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any
from uuid import UUID, uuid4

import httpx
from pydantic import SecretStr

from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.errors import AlmanacError
from service.kit.clock import now
from service.operator import make_key
from service.queue import JobCall, JobType, job_call
from service.runtime import Runtime, load, open_runtime
from service.verifying.check import Check, Wrong, look
from service.verifying.code import own_jobs

SAMPLES: dict[object, Any] = {
    UUID: uuid4,
    list[UUID]: lambda: [uuid4()],
    int: lambda: 1,
    float: lambda: 1.0,
    str: lambda: "x",
}
"""An argument of a type, of rows that do not exist: a job whose row is gone ends without effect."""
LONGEST = 200
"""Characters of a result that are shown."""
REFUSED = (404, 422)
"""Of errors that say that a sample is no argument for this job, or of something that is not."""
PUBLISH, BATCH = "posts.publish", "posts.publish_batch"


@contextmanager
def scratch(settings: Settings) -> Iterator[Settings]:
    """Start servers in a folder of their own, migrate, and yield settings for them alone.

    Raises as `EmbeddedServers.start`.
    """
    with tempfile.TemporaryDirectory(prefix="almanac-verify-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # root runs the servers as somebody else, who must pass
        with EmbeddedServers(folder / "home") as servers:
            asyncio.run(migrate.upgrade(servers.database_url))
            yield settings.model_copy(
                update={
                    "environment": "development",
                    "database_url": SecretStr(servers.database_url),
                    "redis_url": SecretStr(servers.redis_url),
                    "secret_key": SecretStr(secrets.token_urlsafe(32)),
                    "secret_key_old": None,
                    "home": folder / "home",
                    "public_url": None,
                    "smtp_url": None,
                    "sendgrid_key": None,
                    "eager": False,
                }
            )


def count() -> int:
    """Return how many runs there will be."""
    return len(_others()) + 1


def _others() -> list[JobType[..., Any]]:
    return [job for job in own_jobs() if job.name not in {PUBLISH, BATCH}]


async def runs(settings: Settings) -> AsyncIterator[Check]:
    """Run everything, one after the other."""
    async with open_runtime(settings, "verify") as runtime:
        yield await look(f"{PUBLISH}, {BATCH}", lambda: _publish(runtime), patience=60)
        for job in _others():
            yield await look(job.name, partial(_run_sample, runtime, job), patience=60)


def _sample(job: JobType[..., Any]) -> JobCall:
    """Return a call of a job with arguments that nothing knows."""
    values = {}
    for name, parameter in job.signature.parameters.items():
        if parameter.default is inspect.Parameter.empty:
            kind = parameter.annotation
            if kind not in SAMPLES:
                raise Wrong(f"there is no sample for {name}: {kind}")
            values[name] = SAMPLES[kind]()
    return job(**values)


async def _run_sample(runtime: Runtime, job: JobType[..., Any]) -> str:
    return await _run(runtime, _sample(job), may_refuse=True)


async def _run(runtime: Runtime, call: JobCall, *, may_refuse: bool = False) -> str:
    end = await load("workers.direct.run_once")(runtime, call)
    if may_refuse and isinstance(end.error, AlmanacError) and end.error.status in REFUSED:
        return shorten(f"refused the sample: {end.error}", LONGEST)  # and would not try again
    if end.error is not None:
        raise Wrong(f"{type(end.error).__name__}: {end.error}")
    return "asks to be run again" if end.at_ms else shorten(f"returned {end.value}", LONGEST)


async def _publish(runtime: Runtime) -> str:
    """Send a batch of one post through the API, publish it, and return where it is."""
    async with _api(runtime.settings) as api:
        account = {"platform": "feed", "credentials": {"handle": "verify"}}
        await _post(api, "/v1/accounts", account)
        draft = {"text": f"Verified at {now():%H:%M}", "accounts": []}
        post = await _post(api, "/v1/posts", draft)
        wanted = {"posts": [post["id"]], "platforms": ["feed"]}
        batch = await _post(api, "/v1/posts/batch", wanted)
        (delivery,) = (await api.get(f"/v1/posts/{post['id']}")).json()["deliveries"]
        await _run(runtime, job_call(PUBLISH, {"delivery_id": delivery["id"], "version": 1}))
        report = await _run(runtime, job_call(BATCH, {"batch_id": batch["id"]}))
        (delivery,) = (await api.get(f"/v1/posts/{post['id']}")).json()["deliveries"]
        if delivery["state"] != "published":
            raise Wrong(f"the delivery is {delivery['state']}: {delivery['error']}; {report}")
        return f"published at {delivery['remote_url']}"


async def _post(api: httpx.AsyncClient, path: str, body: object) -> Any:
    return (await api.post(path, json=body)).raise_for_status().json()


@asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API in this process, with a key of its own."""
    key = await make_key(settings, "verify", [Scope.ADMIN], "admin")
    app = create_app(settings)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=settings.base_url, headers=headers
        ) as client,
    ):
        yield client
