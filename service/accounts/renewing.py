"""The periodic renewal: tokens are renewed before they end, whether or not a post is due."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from service.accounts import actions, queries, refreshing, token_queries
from service.accounts.models import Account
from service.kit.clock import now
from service.kit.redaction import redact
from service.notifications import actions as notifications
from service.platforms.contract import Destination, Platform
from service.platforms.failures import AuthFailed, PlatformError, RateLimited
from service.platforms.limits import Limits
from service.runtime import Runtime

AT_ONCE = 10
BATCH = 100
MOST = 2_000
"""Accounts in one run; the next run goes on with what is left."""
BUDGET = 120.0
"""Seconds after which a run begins no further renewal; it must end within the job's limit."""
LEAST_AHEAD = timedelta(minutes=15)
"""More than the time between two runs: no token ends unseen between them."""
RETRY = timedelta(minutes=5)
"""Less than the time between two runs: what failed for a passing reason is tried in the next."""
WARNED_AHEAD = timedelta(days=1)
"""A token that lasts longer and cannot be renewed is worth a warning; it is tried once a day."""

log = logging.getLogger(__name__)


async def run(runtime: Runtime) -> Mapping[str, int]:
    """Renew every token that ends soon; the failure of one account never stops the others.

    Returns:
        Accounts by what became of them: renewed, failed, disconnected, left.
    """
    this = _Run(runtime)
    while this.goes_on:
        accounts = await this.next_batch()
        if not accounts:
            break
        await asyncio.gather(*(this.one(account) for account in accounts))
    return {name: this.counts[name] for name in ("renewed", "failed", "disconnected", "left")}


class _Run:
    """What one run has done so far."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.counts: Counter[str] = Counter()
        self._seen: set[object] = set()
        self._resting: set[str] = set()
        """Platforms that take nothing more from this installation for a while."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._ends = time.monotonic() + BUDGET
        self._read_at = now()

    @property
    def goes_on(self) -> bool:
        """Whether there is time, and room, for more."""
        return len(self._seen) < MOST and time.monotonic() < self._ends

    async def next_batch(self) -> list[Account]:
        """Return accounts that this run has not tried yet."""
        ahead = {name: _ahead(each) for name, each in self.runtime.platforms.items()}
        async with self.runtime.unit_of_work() as uow:
            self._read_at = await queries.clock(uow.session)
            found = await token_queries.ending(uow.session, ahead, BATCH, but=self._resting)
        new = [account for account in found if account.id not in self._seen]
        self._seen.update(account.id for account in new)
        return new

    async def one(self, account: Account) -> None:
        """Renew one account's tokens, and note what became of it."""
        async with self._slots:
            if time.monotonic() > self._ends or account.platform in self._resting:
                self.counts["left"] += 1
                return
            since = self._read_at
            try:
                self.counts[await self._renew(account)] += 1
            except AuthFailed as error:
                await self._refused(account, error, since)
            except RateLimited as error:
                if error.scope == "app":
                    self._resting.add(account.platform)
                await self._failed(account, error.message, error.until, since)
            except PlatformError as error:
                await self._failed(account, error.message, now() + RETRY, since)
            except Exception as error:  # a fault of ours with one account must not stop the rest
                log.exception("a token could not be renewed", extra={"account": str(account.id)})
                text = redact(f"Unexpected {type(error).__name__}: {error}")
                await self._failed(account, text, now() + RETRY, since)

    async def _renew(self, account: Account) -> str:
        platform = self.runtime.platforms[account.platform]
        destination = _destination(self.runtime, account)
        ahead = _ahead(platform)
        if not refreshing.ends_within(destination.session, ahead):
            # The row tells another end than its session: what counts is the session.
            return "left"
        wait = await refreshing.exchange(self.runtime, platform, destination, ahead)
        return "left" if wait else "renewed"

    async def _refused(self, account: Account, error: AuthFailed, since: datetime) -> None:
        """Take an account out of service once its token has ended, and warn well before."""
        ends = account.token_expires_at or since
        if ends <= now():
            self.counts["disconnected"] += 1
            await refreshing.disconnected(self.runtime, account.id, error.message, since=since)
            return
        if ends - now() > WARNED_AHEAD and account.refresh_error != error.message:
            await self._warn(account, error, ends)
        await self._failed(account, error.message, min(ends, now() + WARNED_AHEAD), since)

    async def _warn(self, account: Account, error: AuthFailed, ends: datetime) -> None:
        incident = notifications.Incident(
            kind=actions.TOKEN_ENDS,
            key=f"{actions.TOKEN_ENDS}:{account.id}",
            title=f"Connect {account.handle} on {account.platform} again before {ends:%Y-%m-%d}",
            text=f"{error.message}\n\nUntil then its posts go out as before.",
            owner_id=account.owner_id,
        )
        async with self.runtime.unit_of_work() as uow:
            await notifications.report(uow, incident, mail=self.runtime.settings.mails_at_once)

    async def _failed(
        self, account: Account, message: str, after: datetime, since: datetime
    ) -> None:
        self.counts["failed"] += 1
        log.warning("a token could not be renewed: %s", message, extra={"account": account.handle})
        values = {"account": account.id, "since": since, "after": after, "new_error": message}
        await self.runtime.database.execute(token_queries.NOTE_FAILURE, values)


def _ahead(platform: Platform) -> timedelta:
    return max(platform.refresh_before, LEAST_AHEAD)


def _destination(runtime: Runtime, account: Account) -> Destination:
    keyring = runtime.keyring
    credentials = actions.unseal(keyring, account.id, "credentials", account.credentials)
    return Destination(
        id=account.id,
        handle=account.handle,
        base_url=account.base_url,
        credentials=credentials,
        limits=msgspec.convert(account.limits, Limits),
        session=actions.unseal(keyring, account.id, "session", account.session),
    )
