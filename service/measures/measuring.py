"""Asking platforms how posts and accounts do; no database connection is held meanwhile.

An error never writes a figure: it is noted, and the platform is asked again later.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from service.accounts import refreshing
from service.kit.clock import now
from service.kit.redaction import redact
from service.measures import rules
from service.measures.asking import PATIENCE, Dead, Subject, figures, refusal_of_account
from service.measures.claim_queries import ACCOUNTS, DELIVERIES, PLAN_ACCOUNTS, PLAN_DELIVERIES
from service.measures.rules import Figures
from service.platforms.contract import Wait
from service.platforms.failures import AuthFailed, PlatformError, RateLimited, Rejected
from service.posts import recording
from service.runtime import Runtime

AT_ONCE = 10
"""Accounts that one run asks for at a time; of one account nothing at the same time."""
BATCH = 100
LEASE = timedelta(minutes=5)
"""What was claimed and not asked for within this time is another run's."""
LONGEST = timedelta(seconds=3 * PATIENCE + refreshing.PATIENCE)
"""That one may take: a question, a renewal, the question again, one more about the account."""
BUDGET = 150.0
"""Seconds after which a run begins no further question; it must end within the job's limit."""
LEAVE = timedelta(hours=6)
"""Until an account is looked at again that is not connected."""
SOON = timedelta(minutes=1)
FORGOTTEN_AT_ONCE = 5_000

Outcome = Literal["measured", "failed", "ended", "left"]
log = logging.getLogger(__name__)


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

    async def claim(self) -> list[Subject]:
        """Take what is due: deliveries first, for their time goes by."""
        self._lease_ends = time.monotonic() + (LEASE - LONGEST).total_seconds()
        found: list[Subject] = []
        for statements, ladder in ((DELIVERIES, rules.LADDER), (ACCOUNTS, rules.DAILY)):
            claim = uuid4()
            values = {"token": claim, "lease": LEASE, "most": BATCH - len(found)}
            rows = await self._runtime.database.execute(statements.claim, values)
            found += [Subject(row, statements, ladder, claim) for row in rows]
        return found

    async def measure(self, subjects: list[Subject]) -> None:
        """Ask for what was claimed, one account's after another."""
        by_account: dict[UUID, list[Subject]] = defaultdict(list)
        for subject in subjects:
            by_account[subject.row.account_id].append(subject)
        await asyncio.gather(*(self._account(each) for each in by_account.values()))

    async def _account(self, subjects: list[Subject]) -> None:
        async with self._slots:
            for subject in subjects:
                self.counts[await self._one(subject)] += 1

    async def _one(self, subject: Subject) -> Outcome:
        if subject.is_over:
            return await self._put_off(subject, None, "ended")
        if (delay := self._wait(subject)) is not None:
            return await self._put_off(subject, delay, "left")
        try:
            told = await figures(self._runtime, subject)
        except Dead as error:
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
        if isinstance(told, Wait):
            return await self._put_off(subject, SOON, "left")
        return await self._keep(subject, told)

    def _wait(self, subject: Subject) -> timedelta | None:
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

    async def _refused(self, subject: Subject, error: AuthFailed) -> Outcome:
        """Take the account out of service only if it is not just these figures that are refused."""
        if refusal := await refusal_of_account(self._runtime, subject):
            return await self._disconnect(subject, refusal.message)
        return await self._failed(subject, error.message)

    async def _disconnect(self, subject: Subject, reason: str) -> Outcome:
        row = subject.row
        self._dead.add(row.account_id)
        await refreshing.disconnected(self._runtime, row.account_id, reason, since=row.claimed_at)
        return await self._failed(subject, reason)

    async def _limit(self, subject: Subject, error: RateLimited) -> Outcome:
        """Let posts and other questions wait as well; a limit is no failure."""
        row = subject.row
        await recording.limit(self._runtime.database, row.account_id, row.platform, error)
        self._limited[row.account_id if error.scope == "account" else row.platform] = error.until
        delay = max(error.until - now(), SOON)
        return await self._put_off(subject, delay, "left", error=error.message)

    async def _missing(self, subject: Subject, message: str) -> Outcome:
        """Ask once more, for an index may be late; then never again for a post."""
        row = subject.row
        if not subject.is_delivery:
            return await self._failed(subject, message, rules.DAY)
        if row.missing_since is not None:
            return await self._put_off(subject, None, "ended", error=message)
        return await self._failed(subject, message, rules.LOOK_AGAIN, missing=row.claimed_at)

    async def _failed(
        self,
        subject: Subject,
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
        subject: Subject,
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

    async def _keep(self, subject: Subject, told: Figures) -> Outcome:
        values: dict[str, Any] = {
            "subject": subject.row.id,
            "token": subject.claim,
            "delay": subject.next_delay(),
        }
        if told:
            values["new_figures"] = dict(told)
            await self._runtime.database.execute(subject.statements.keep, values)
        else:
            await self._runtime.database.execute(subject.statements.keep_nothing, values)
        return "measured"


async def forget(runtime: Runtime) -> int:
    """Delete what is past its retention, a batch in each transaction; return how many rows."""
    gone = 0
    for statements in (DELIVERIES, ACCOUNTS):
        batch = FORGOTTEN_AT_ONCE
        while batch == FORGOTTEN_AT_ONCE:
            batch = len(await runtime.database.execute(statements.forget, {"most": batch}))
            gone += batch
    return gone
