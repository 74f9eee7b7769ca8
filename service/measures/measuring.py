"""Asking platforms how posts and accounts do; no database connection is held meanwhile.

An error never writes a figure: it is noted, and the platform is asked again later.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Row

from service.accounts import refreshing
from service.kit.clock import now
from service.kit.redaction import redact
from service.measures import rules
from service.measures.claim_queries import (
    ACCOUNTS,
    DELIVERIES,
    PLAN_ACCOUNTS,
    PLAN_DELIVERIES,
    Statements,
)
from service.platforms.contract import Destination, Platform, Reference, Wait
from service.platforms.failures import (
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.posts import publishing
from service.runtime import Runtime

AT_ONCE = 10
"""Accounts that one run asks for at a time; of one account nothing at the same time."""
BATCH = 100
LEASE = timedelta(minutes=5)
"""What was claimed and not asked for within this time is another run's."""
PATIENCE = 30.0
"""Seconds that a platform may take to answer."""
BUDGET = 240.0
"""Seconds after which a run begins no further question."""
LEAVE = timedelta(hours=6)
"""Until an account is looked at again that is not connected."""
SOON = timedelta(minutes=1)
RIGHTS_OF_THEIR_OWN = frozenset({"linkedin"})
"""Where an app may publish and yet read no figures: their refusal says nothing of the account."""
FORGOTTEN_AT_ONCE = 5_000

Outcome = Literal["measured", "failed", "ended", "left"]
Figures = Mapping[str, int]
log = logging.getLogger(__name__)


class _Dead(Exception):
    """The account's tokens are refused and cannot be renewed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Subject:
    """A delivery or an account that was claimed."""

    row: Row[Any]
    statements: Statements
    ladder: rules.Ladder
    claim: UUID

    @property
    def is_delivery(self) -> bool:
        return self.statements is DELIVERIES

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to ask for any more."""
        return self.is_delivery and not self.row.is_out

    def next_delay(self) -> timedelta | None:
        """How long from its claim until it is measured again."""
        at = rules.next_time(self.row.since, self.row.claimed_at, self.ladder)
        return None if at is None else at - self.row.claimed_at

    def ask(self, platform: Platform, destination: Destination) -> Awaitable[Figures]:
        if self.is_delivery:
            post = Reference(self.row.remote_id, self.row.details)
            return platform.metrics(destination, post)
        return platform.audience(destination)


async def run(runtime: Runtime) -> dict[str, int]:
    """Measure everything that is due; the failure of one never stops the others.

    Returns:
        Deliveries and accounts by what became of them: measured, failed, ended, left.
    """
    platforms = [name for name, each in runtime.platforms.items() if each.measures]
    await runtime.database.execute(PLAN_ACCOUNTS, {"platforms": platforms})
    await runtime.database.execute(PLAN_DELIVERIES)
    this = _Run(runtime)
    while this.goes_on:
        subjects = await this.claim()
        if not subjects:
            break
        await this.measure(subjects)
    return {name: this.counts[name] for name in ("measured", "failed", "ended", "left")}


class _Run:
    """What one run has done so far."""

    def __init__(self, runtime: Runtime) -> None:
        self.counts: Counter[Outcome] = Counter()
        self._runtime = runtime
        self._ends = time.monotonic() + BUDGET
        self._lease_ends = 0.0
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._limited: dict[str | UUID, datetime] = {}
        """Until when a platform, or an account, takes nothing, as this run has learnt."""
        self._dead: set[UUID] = set()

    @property
    def goes_on(self) -> bool:
        """Whether there is time for more."""
        return time.monotonic() < self._ends

    async def claim(self) -> list[_Subject]:
        """Take what is due: deliveries first, for their time goes by."""
        self._lease_ends = time.monotonic() + LEASE.total_seconds() - 2 * PATIENCE
        found: list[_Subject] = []
        for statements, ladder in ((DELIVERIES, rules.LADDER), (ACCOUNTS, rules.DAILY)):
            claim = uuid4()
            values = {"token": claim, "lease": LEASE, "most": BATCH - len(found)}
            rows = await self._runtime.database.execute(statements.claim, values)
            found += [_Subject(row, statements, ladder, claim) for row in rows]
        return found

    async def measure(self, subjects: list[_Subject]) -> None:
        """Ask for what was claimed, one account's after another."""
        by_account: dict[UUID, list[_Subject]] = defaultdict(list)
        for subject in subjects:
            by_account[subject.row.account_id].append(subject)
        await asyncio.gather(*(self._account(each) for each in by_account.values()))

    async def _account(self, subjects: list[_Subject]) -> None:
        async with self._slots:
            for subject in subjects:
                self.counts[await self._one(subject)] += 1

    async def _one(self, subject: _Subject) -> Outcome:
        if subject.is_over:
            return await self._put_off(subject, None, "ended")
        if (delay := self._wait(subject)) is not None:
            return await self._put_off(subject, delay, "left")
        try:
            figures = await self._figures(subject)
        except _Dead as error:
            return await self._disconnect(subject, error.reason)
        except AuthFailed as error:
            return await self._refused(subject, error)
        except RateLimited as error:
            return await self._limit(subject, error)
        except Rejected as error:
            return await self._missing(subject, error.message)
        except PlatformError as error:
            return await self._failed(subject, error.message)
        except Exception as error:  # a fault of ours with one of them must not stop the rest
            log.exception("it could not be measured", extra={"subject": str(subject.row.id)})
            return await self._failed(subject, redact(f"{type(error).__name__}: {error}"))
        if isinstance(figures, Wait):
            return await self._put_off(subject, SOON, "left")
        return await self._keep(subject, figures)

    def _wait(self, subject: _Subject) -> timedelta | None:
        """Return how long not to ask, if there is a reason not to ask now."""
        row = subject.row
        platform = self._runtime.platforms.get(row.platform)
        if not row.connected or row.account_id in self._dead or platform is None:
            return LEAVE
        if not self.goes_on or time.monotonic() > self._lease_ends:
            return timedelta(0)
        known = (row.limited_until, *map(self._limited.get, (row.platform, row.account_id)))
        until = max((at for at in known if at is not None), default=row.claimed_at)
        return until - row.claimed_at if until > row.claimed_at else None

    async def _figures(self, subject: _Subject) -> Figures | Wait:
        """Ask, with a token that is good.

        Raises:
            _Dead: the token is refused and cannot be renewed.
            PlatformError: there are no figures now.
        """
        row = subject.row
        platform = self._runtime.platforms[row.platform]
        destination = publishing.destination(self._runtime, row)
        if wait := await self._renew(platform, destination, refused=False):
            return wait
        try:
            return await _within(platform, subject.ask(platform, destination))
        except TokenExpired:
            if wait := await self._renew(platform, destination, refused=True):
                return wait
        try:
            return await _within(platform, subject.ask(platform, destination))
        except TokenExpired as error:
            raise _Dead(error.message) from error

    async def _renew(
        self, platform: Platform, destination: Destination, *, refused: bool
    ) -> Wait | None:
        try:
            return await refreshing.renew(self._runtime, platform, destination, refused=refused)
        except AuthFailed as error:
            raise _Dead(error.message) from error

    async def _refused(self, subject: _Subject, error: AuthFailed) -> Outcome:
        """Take the account out of service only if it is not just these figures that are refused.

        A right that is missing here stops no post: whoever publishes judges that.
        """
        row = subject.row
        platform = self._runtime.platforms[row.platform]
        if platform.name not in RIGHTS_OF_THEIR_OWN:
            try:
                destination = publishing.destination(self._runtime, row)
                await _within(platform, platform.audience(destination))
            except AuthFailed as same:
                return await self._disconnect(subject, same.message)
            except PlatformError as other:
                log.info("it could not be asked for the account: %s", other.message)
        return await self._failed(subject, error.message)

    async def _disconnect(self, subject: _Subject, reason: str) -> Outcome:
        row = subject.row
        self._dead.add(row.account_id)
        await refreshing.disconnected(self._runtime, row.account_id, reason, since=row.claimed_at)
        return await self._failed(subject, reason)

    async def _limit(self, subject: _Subject, error: RateLimited) -> Outcome:
        """Let posts and other questions wait as well; a limit is no failure."""
        row = subject.row
        await publishing.limit(self._runtime.database, row.account_id, row.platform, error)
        self._limited[row.account_id if error.scope == "account" else row.platform] = error.until
        delay = max(error.until - now(), SOON)
        return await self._put_off(subject, delay, "left", error=error.message)

    async def _missing(self, subject: _Subject, message: str) -> Outcome:
        """Ask once more, for an index may be late; then never again for a post."""
        row = subject.row
        if not subject.is_delivery:
            return await self._failed(subject, message, rules.DAY)
        if row.missing_since is not None:
            return await self._put_off(subject, None, "ended", error=message)
        return await self._failed(subject, message, rules.LOOK_AGAIN, missing=row.claimed_at)

    async def _failed(
        self,
        subject: _Subject,
        message: str,
        delay: timedelta | None = None,
        missing: datetime | None = None,
    ) -> Outcome:
        row, failures = subject.row, subject.row.failures + 1
        log.warning("no figures: %s", message, extra={"subject": str(row.id)})
        delay = delay or rules.retry_delay(failures)
        too_old = subject.is_delivery and row.claimed_at + delay > row.since + rules.ASKED_FOR
        return await self._put_off(
            subject,
            None if too_old else delay,
            "failed",
            failures=failures,
            error=message,
            missing=missing,
        )

    async def _put_off(  # noqa: PLR0913 - what is noted beside the next time
        self,
        subject: _Subject,
        delay: timedelta | None,
        outcome: Outcome,
        *,
        failures: int | None = None,
        error: str | None = None,
        missing: datetime | None = None,
    ) -> Outcome:
        row = subject.row
        values = {
            "subject": row.id,
            "token": subject.claim,
            "delay": delay,
            "new_failures": row.failures if failures is None else failures,
            "new_error": error or row.error,
            "new_missing": missing or row.missing_since,
        }
        await self._runtime.database.execute(subject.statements.put_off, values)
        return outcome

    async def _keep(self, subject: _Subject, figures: Figures) -> Outcome:
        values: dict[str, Any] = {
            "subject": subject.row.id,
            "token": subject.claim,
            "delay": subject.next_delay(),
        }
        if figures:
            statement, values["new_figures"] = subject.statements.keep, dict(figures)
            await self._runtime.database.execute(statement, values)
        else:
            await self._runtime.database.execute(subject.statements.keep_nothing, values)
        return "measured"


async def _within(platform: Platform, answer: Awaitable[Figures]) -> Figures:
    try:
        async with asyncio.timeout(PATIENCE):
            return await answer
    except TimeoutError:
        raise Transient(f"{platform.title} told no figures within {PATIENCE:g} s") from None


async def forget(runtime: Runtime) -> int:
    """Delete what is past its retention, a batch in each transaction; return how many rows."""
    gone = 0
    for statements in (DELIVERIES, ACCOUNTS):
        batch = FORGOTTEN_AT_ONCE
        while batch == FORGOTTEN_AT_ONCE:
            batch = len(await runtime.database.execute(statements.forget, {"most": batch}))
            gone += batch
    return gone
