"""Everything that `almanac verify` looks at, in order."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from redis.exceptions import RedisError

from service.accounts import actions as accounts
from service.config import Settings
from service.kit.urls import url_problem
from service.providers.mail.opening import open_mail
from service.queue.presence import queue_name
from service.runtime import Runtime, open_runtime, with_servers
from service.verifying import code, parts, queues
from service.verifying.check import PATIENCE, Check, Wrong, look

ROUND_TRIP_PATIENCE = PATIENCE + queues.ROUND_TRIP


async def _settings(settings: Settings) -> str:
    found = with_servers(settings)
    kind = "production" if found.production else "development"
    where = "embedded servers" if settings.embedded else "servers by URL"
    if settings.broker_url is not None:
        where += ", queues at CELERY_BROKER_URL"
    return f"{kind}, {where}, home {settings.home}"


async def _keys(runtime: Runtime) -> str:
    async with runtime.unit_of_work() as uow:
        await accounts.check_keys(uow.session, runtime.keyring)
    return "decrypts every stored credential"


async def _media(runtime: Runtime) -> str:
    folder = runtime.settings.media_folder
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"verify")
    except OSError as error:
        reason = f"cannot write {nearest}: {error.strerror}"
        raise Wrong(f"{reason}: give it to this user, or set ALMANAC_HOME") from error
    return str(folder)


async def _public_url(runtime: Runtime) -> str:
    url = runtime.settings.base_url
    if problem := url_problem(url):
        raise Wrong(f"ALMANAC_PUBLIC_URL {problem}")
    return url


async def _mail(runtime: Runtime) -> str:
    return await open_mail(runtime.settings, runtime.outbound).check()


LOOKS: dict[str, Callable[[Runtime], Awaitable[str]]] = {
    "PostgreSQL": parts.database,
    "Redis": parts.redis,
    "encryption": _keys,
    "media folder": _media,
    "public URL": _public_url,
    "mail": _mail,
    "API": parts.api,
    "workers": parts.workers,
    "maintenance": parts.maintenance,
    "scheduler": parts.scheduler,
}


def count() -> int:
    """Return about how many checks there are, for a progress bar."""
    return 4 + len(LOOKS) + len(parts.served_queues())


async def checks(settings: Settings) -> AsyncIterator[Check]:
    """Look at code, settings, servers, processes, and at a job through every queue."""
    yield await look("imports", code.imports)
    yield await look("jobs", code.jobs)
    yield await look("schedules", lambda: code.rules(settings))
    found = await look("settings", lambda: _settings(settings))
    yield found
    if not found.ok:
        return  # without servers there is nothing to ask
    async with open_runtime(settings, "verify", retries=1) as runtime:
        for name, ask in LOOKS.items():
            yield await look(name, partial(ask, runtime))
        for key in await _queues(runtime):
            trip = partial(queues.round_trip, runtime, key)
            yield await look(f"queue {queue_name(key)}", trip, patience=ROUND_TRIP_PATIENCE)


async def _queues(runtime: Runtime) -> list[str]:
    try:
        return await queues.known(runtime)
    except (RedisError, OSError):
        return []  # the check of Redis has told why
