"""The loops of alerting: one for everything that is kept in rows, one for PostgreSQL itself."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.db import revision
from service.errors import AlmanacError
from service.kit.clock import now
from service.monitoring import alerting
from service.monitoring.alert_rules import DATABASE_AWAY, Kind
from service.providers.mail.contract import Mail
from service.providers.mail.failures import MailDelayed
from service.providers.mail.opening import open_mail
from service.providers.mail.telling import tell
from service.runtime import Runtime
from workers.engine.identity import process_name

LOCK = 0x616C6D0A
"""PostgreSQL's advisory lock of whoever looks."""
LOOK = 5.0
"""Seconds between two looks whether PostgreSQL is there."""
ANSWER = 2.0
"""Seconds that a server may take to prove that it is there."""
TRIES = 10
"""Attempts at the mail that PostgreSQL is back."""
TOLD = "almanac:alert:database"
"""Taken by the process that tells of PostgreSQL's absence, so that others need not."""
TOLD_FOR = 3600

log = logging.getLogger(__name__)


async def serve(runtime: Runtime) -> None:
    """Look again and again."""
    watch = alerting.Watch(runtime)
    while True:
        await watch.look()
        await asyncio.sleep(runtime.settings.alert_interval.total_seconds())


async def watch_database(runtime: Runtime, look: float = LOOK) -> None:
    """Tell of PostgreSQL's absence, which no row can: in the log, and by a mail from here.

    Args:
        runtime: whose PostgreSQL.
        look: seconds between two looks.
    """
    kind = alerting.wanted(runtime.settings).get(DATABASE_AWAY.name)
    while kind is not None:
        await asyncio.sleep(look)
        since, begun = now(), time.monotonic()
        while await _is_away(runtime):
            if time.monotonic() - begun >= kind.above:
                await _tell(runtime, kind, since, look)
                break
            await asyncio.sleep(look)


async def _is_away(runtime: Runtime) -> bool:
    try:
        async with asyncio.timeout(ANSWER), runtime.database.session() as session:
            await revision.present(session)
    except (SQLAlchemyError, OSError, TimeoutError):
        return True
    return False


async def _tell(runtime: Runtime, kind: Kind, since: datetime, look: float) -> None:
    """Tell that PostgreSQL is away, wait until it is back, and tell that too."""
    log.error("%s since %s", kind.title, since.isoformat(timespec="seconds"))
    mine, begun = await _is_ours(runtime), f"{since:%Y-%m-%d %H:%M:%S} UTC"
    away = f"PostgreSQL has not answered since {begun}. No job that has a row starts or ends."
    told = not mine or await _mail(runtime, kind.title, away, f"away-{since.timestamp():.0f}")
    while await _is_away(runtime):
        await asyncio.sleep(look)
        told = told or await _mail(runtime, kind.title, away, f"away-{since.timestamp():.0f}")
    log.warning("PostgreSQL answers again; it was away since %s", begun)
    if not mine:
        return
    back = f"PostgreSQL answers again. It had not since {begun}."
    for _ in range(TRIES):
        if await _mail(runtime, f"Resolved: {kind.title}", back, f"back-{since.timestamp():.0f}"):
            break
        await asyncio.sleep(look)
    with suppress(RedisError, OSError):
        await runtime.queue.delete(TOLD)


async def _is_ours(runtime: Runtime) -> bool:
    """Whether it is this process that mails, and not another that has seen the same."""
    try:
        async with asyncio.timeout(ANSWER):
            return bool(await runtime.queue.set(TOLD, process_name(), nx=True, ex=TOLD_FOR))
    except (RedisError, OSError, TimeoutError):
        return True


async def _mail(runtime: Runtime, title: str, text: str, key: str) -> bool:
    """Send a mail from here; return whether it need not be tried again."""
    settings = runtime.settings
    if not settings.mails_at_once:
        return True
    try:
        mail = Mail(settings.mail_from, f"[Almanac] {title}", f"{text}\n")
        await tell(open_mail(settings, runtime.outbound), mail, settings.alert_mail, key)
    except AlmanacError as error:
        log.warning("the mail about PostgreSQL was not sent: %s", error)
        return not isinstance(error, MailDelayed)
    return True
