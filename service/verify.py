"""`almanac verify`: is everything there that Almanac needs?"""

import os
from dataclasses import dataclass

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service import queue
from service.accounts import actions as accounts
from service.config import Settings
from service.errors import AlmanacError
from service.monitoring import lookup
from service.runtime import Runtime, open_runtime


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


async def checks(settings: Settings) -> list[Check]:
    """Look at settings, servers, schema, keys and the media folder."""
    try:
        async with open_runtime(settings, "verify") as runtime:
            kind = "production" if runtime.settings.production else "development"
            found = [Check("settings", ok=True, detail=f"{kind}, {runtime.settings.base_url}")]
            servers = await lookup.readiness(runtime)
            found += [Check(name, detail == "ok", detail) for name, detail in servers.items()]
            if servers["queue"] == "ok":
                found.append(await _queue_settings(runtime))
            if servers["database"] == "ok":
                found.append(await _keys(runtime))
            found.append(_media(runtime))
            return found
    except AlmanacError as error:
        return [Check("settings", ok=False, detail=error.message)]


async def _queue_settings(runtime: Runtime) -> Check:
    try:
        warnings = await queue.verify(runtime.queue)
    except (AlmanacError, RedisError) as error:
        return Check("queue settings", ok=False, detail=str(error))
    return Check("queue settings", not warnings, " ".join(warnings) or "ok")


async def _keys(runtime: Runtime) -> Check:
    try:
        async with runtime.unit_of_work() as uow:
            await accounts.check_keys(uow.session, runtime.keyring)
    except (AlmanacError, SQLAlchemyError) as error:
        return Check("secret key", ok=False, detail=str(error))
    return Check("secret key", ok=True, detail="decrypts every stored credential")


def _media(runtime: Runtime) -> Check:
    folder = runtime.settings.media_folder
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    writable = os.access(nearest, os.W_OK)
    return Check("media folder", writable, f"{folder}" if writable else f"cannot write {nearest}")
