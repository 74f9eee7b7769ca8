"""The parts of a running installation: servers, API, workers, the clock of schedules."""

from collections import Counter

import httpx

from service.kit.clock import now
from service.kit.redaction import redact
from service.monitoring import queue_views
from service.monitoring.health import SILENT
from service.queue import Queue, presence, queue_key, verify
from service.queue.backlog import living
from service.queue.presence import queue_name
from service.runtime import Runtime
from service.schedules import queries as schedules
from service.verifying import database_queries
from service.verifying.check import Check, Wrong, look
from service.verifying.code import own_jobs

API_TIMEOUT = 3.0
"""Seconds that the API has to say that it lives."""


async def parts(runtime: Runtime) -> list[Check]:
    """Look at every part that must be up; never raises."""
    return [
        await look("PostgreSQL", lambda: database(runtime)),
        await look("Redis", lambda: redis(runtime)),
        await look("API", lambda: api(runtime)),
        await look("workers", lambda: workers(runtime)),
        await look("maintenance", lambda: maintenance(runtime)),
        await look("scheduler", lambda: scheduler(runtime)),
    ]


async def database(runtime: Runtime) -> str:
    """Return what PostgreSQL is; raise Wrong for a schema of another version."""
    async with runtime.database.session() as session:
        found = await database_queries.server(session)
    encrypted = "TLS" if found.tls else "no TLS"
    rights = "superuser, which is not needed" if found.superuser else "no superuser"
    described = f"PostgreSQL {found.version}, {encrypted}, role {found.role} ({rights})"
    if found.revision != found.wanted:
        raise Wrong(
            f"{described}: schema is at {found.revision}, this version needs {found.wanted}: "
            "run almanac migrate"
        )
    return f"{described}, schema {found.revision}"


async def redis(runtime: Runtime) -> str:
    """Return what the server of the queues is; raise Wrong when it may lose jobs."""
    found = await queue_views.server(runtime)
    warnings = await verify(runtime.queue)
    limit = f" of {_mib(found.max_memory)}" if found.max_memory else ", no limit"
    described = (
        f"{found.name.capitalize()} {found.version}, {_mib(found.used_memory)}{limit}, "
        f"policy {found.policy}, {found.clients} clients"
    )
    if warnings:
        raise Wrong(f"{described}: {' '.join(warnings)}")
    return described


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


async def api(runtime: Runtime) -> str:
    """Return where the API answers; raise Wrong when it does not."""
    settings = runtime.settings
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    local = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    tried = list(dict.fromkeys([local, *([settings.base_url] if settings.public_url else [])]))
    async with httpx.AsyncClient(timeout=API_TIMEOUT, trust_env=False) as client:
        for url in tried:
            try:
                answer = await client.get(f"{url}/livez")
            except httpx.HTTPError:
                continue
            if answer.is_success:
                return f"answers at {redact(url)}"
    places = " or ".join(map(redact, tried))
    raise Wrong(f"no answer at {places}: start it with almanac api")


def served_queues() -> list[str]:
    """Return the keys of the queues that must be served: those of declared jobs."""
    return sorted({queue_key(job.queue) for job in own_jobs()})


async def workers(runtime: Runtime) -> str:
    """Return how many workers serve which queue; raise Wrong for a queue that nobody serves."""
    found = Counter(await living(runtime.queue))
    lonely = [queue_name(key) for key in served_queues() if not found[key]]
    if lonely:
        what = " and ".join(lonely)
        raise Wrong(f"nobody serves {what}: start almanac worker {' '.join(lonely)}")
    return ", ".join(f"{count} on {queue_name(key)}" for key, count in sorted(found.items()))


async def maintenance(runtime: Runtime) -> str:
    """Return when the maintenance process was seen; raise Wrong when there is none."""
    found = [w for w in await presence.workers(runtime.queue) if w.queue == Queue.MAINTENANCE]
    if not found:
        raise Wrong("no maintenance process is known: start almanac worker maintenance")
    last = max(found, key=lambda worker: worker.seen_at)
    age = max(0.0, (now() - last.seen_at).total_seconds())
    seen = f"{last.name}, seen {age:.0f} s ago"
    if last.state == "offline":
        raise Wrong(f"{seen}: start almanac worker maintenance")
    return seen


async def scheduler(runtime: Runtime) -> str:
    """Return how long ago a worker looked for ticks of schedules; raise Wrong if too long."""
    async with runtime.database.session() as session:
        age = await schedules.last_beat(session)
    zone = f"default zone {runtime.settings.timezone}"
    looked = "never looked for ticks" if age is None else f"looked for ticks {age:.0f} s ago"
    if age is None or age > SILENT:
        raise Wrong(f"{looked}: start almanac worker maintenance; {zone}")
    return f"{looked}, {zone}"
