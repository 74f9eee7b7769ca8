"""One run of sending: a few connections hand over mails that are claimed in slices.

Before a mail goes, one statement writes down what became of the one before and stamps this one as
`sending`. Killed after it, a mail is `unconfirmed` and never sent again by itself; killed before
it, the mail was not sent, and another run takes it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.emails import actions as emails
from service.emails import queries as email_queries
from service.emails.queries import Pace
from service.kit.clock import now
from service.kit.tasks import end
from service.newsletters import sending_queries
from service.newsletters.envelope import Envelope
from service.newsletters.outcomes import Result, result_of
from service.providers.mail.contract import Outcome, Provider, Sender
from service.providers.mail.failures import MailDelayed, MailRefused
from service.runtime import Runtime

log = logging.getLogger(__name__)
CONNECTIONS, FEW_CONNECTIONS = 8, 2
"""To a server that takes a mail at a time, and to a service that takes many."""
SLICE = 240
"""Mails that are claimed at a time."""
LEASE = timedelta(seconds=35)
"""How long a claim lasts beyond the last sign of its worker."""
RENEW_EVERY = 10.0
BUDGET = 600.0
"""Seconds after which a run begins nothing further."""
PATIENCE = timedelta(seconds=15)
"""The longest wait for the pace within a run."""
EACH = 10
"""Shares of a second's mails that are reserved at a time, so that they go out evenly."""
RECORD_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts to write down what became of mails while PostgreSQL restarts."""
LEAVE = 4.0
"""Seconds that mails on their way get when the run ends early."""


class Run:
    """What one run does.

    Args:
        runtime: of the process.
        provider: takes the mails.
        envelope: of the issue.
        job_id: whose run it is.
        pace: of all workers.
        tell: is told how many mails are done, and of how many.
    """

    def __init__(  # noqa: PLR0913 - what a run works with
        self,
        runtime: Runtime,
        provider: Provider,
        envelope: Envelope,
        job_id: str,
        pace: Pace,
        *,
        tell: Callable[[int, int], None],
    ) -> None:
        self.runtime, self.provider, self.envelope = runtime, provider, envelope
        self.token = uuid4()
        self._job_id, self._pace, self._tell = job_id, pace, tell
        self._claimed: deque[Row[Any]] = deque()
        self._filling, self._pacing = asyncio.Lock(), asyncio.Lock()
        self._places, self._ends = 0, time.monotonic() + BUDGET
        self._over = self._dry = False
        self._later: timedelta | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What every statement needs."""
        return {"issue": self.envelope.issue_id, "token": self.token}

    async def send(self) -> timedelta | None:
        """Send until nothing is due; return when to go on if there is more all the same.

        Raises:
            MailRefused: the provider takes none of it, ever.
            MailDelayed: the provider takes nothing at present.
        """
        count = CONNECTIONS if self.provider.batch == 1 else FEW_CONNECTIONS
        async with self._kept():
            lines = [asyncio.create_task(self._line()) for _ in range(count)]
            try:
                await asyncio.wait(lines, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                self._over = True
                await asyncio.wait(lines, timeout=LEAVE)
                await end(*lines)
            await self.put_back([row.id for row in self._claimed])
        ended = [line.exception() for line in lines if not line.cancelled()]
        for failure in filter(None, ended):
            raise failure
        return self._later

    async def _line(self) -> None:
        """Hand over mails by one connection, until there are none."""
        async with self.provider.connect() as sender:
            line = _Line(self, sender)
            try:
                while rows := await self._take():
                    await line.hand_over(rows)
            finally:
                await line.record()

    async def _take(self) -> list[Row[Any]]:
        """Return mails that may go now; none: the line ends."""
        if self._over:
            return []
        async with self._filling:
            if not self._claimed and not self._dry:
                await self._fill()
        count = min(len(self._claimed), self.provider.batch)
        rows = [self._claimed.popleft() for _ in range(count)]
        allowed = await self._allowed(len(rows)) if rows else 0
        self._claimed.extendleft(reversed(rows[allowed:]))
        return rows[:allowed]

    async def _fill(self) -> None:
        """Claim the next slice."""
        if time.monotonic() > self._ends:
            self._stop(timedelta(0))
            return
        most = max(SLICE, self.provider.batch)
        claim = {**self.values, "job": self._job_id, "lease": LEASE, "most": most}
        self._claimed.extend(await self._execute(sending_queries.CLAIM, claim))
        self._dry = not self._claimed

    def _stop(self, later: timedelta) -> None:
        self._over, self._later = True, later

    async def _allowed(self, wanted: int) -> int:
        """Wait until mails may go by the pace of all workers; return how many, 0: not soon."""
        if self._pace == Pace():
            return wanted
        async with self._pacing:
            while not self._places and not self._over:
                await self._reserve(wanted)
            taken = min(wanted, self._places)
            self._places -= taken
            return taken

    async def _reserve(self, wanted: int) -> None:
        share = int((self._pace.per_second or SLICE) / EACH)
        more = min(max(share, wanted), wanted + len(self._claimed))
        async with self.runtime.unit_of_work() as uow:
            places = await email_queries.reserve(uow.session, more, now(), self._pace)
        wait = places.at - now()
        if wait > PATIENCE:  # none was given: the day is used up, or others have the next seconds
            self._stop(wait)
            return
        await asyncio.sleep(max(wait.total_seconds(), 0))
        self._places = places.count

    async def put_back(self, ids: Sequence[UUID]) -> None:
        """Give up claims of mails that were not sent."""
        if ids:
            await self._execute(sending_queries.PUT_BACK, {**self.values, "ids": list(ids)})

    async def withheld(self, ids: Sequence[UUID]) -> None:
        """See why mails were not let go; where the whole issue has stopped, so does the run."""
        values = {**self.values, "ids": list(ids)}
        await self._execute(sending_queries.LEFT_OUT, values)
        await self.put_back(ids)
        if not await self._execute(sending_queries.GOES_ON, self.values):
            self._over = True

    async def stamp(self, before: Mapping[UUID, Result], ids: Sequence[UUID]) -> list[UUID]:
        """Write down what became of mails, and that these are on their way; return which may go."""
        values = {**self.values, **_columns(before), "next": list(ids), "lease": LEASE}
        return [row.id for row in await self._execute(sending_queries.STAMP, values)]

    async def record(self, results: Mapping[UUID, Result]) -> None:
        """Write down what became of mails, with the bounces of their addresses.

        It bears a repeat, and is repeated while PostgreSQL is away: what is known of a mail that
        went out is not lost with a connection.
        """
        for pause in RECORD_PAUSES:
            try:
                await self._record(results)
            except (DBAPIError, OSError) as error:
                log.warning("what became of mails could not be written: %s", error)
                await asyncio.sleep(pause)
            else:
                return
        await self._record(results)

    async def _record(self, results: Mapping[UUID, Result]) -> None:
        async with self.runtime.unit_of_work() as uow:
            values = {"token": self.token, **_columns(results)}
            written = await uow.session.execute(sending_queries.RECORD, values)
            lost = []
            for row in written:
                result = results[row.id]
                if not result.bounced:
                    continue
                hard = email_queries.is_hard(result.error or "")
                await emails.record_bounce(
                    uow.session,
                    row.address,
                    hard=hard,
                    code=result.code or 0,
                    reason=result.error or "",
                    source=self.provider.name,
                )
                lost += [row.id] if hard else []
            await sending_queries.mark_bounced(uow.session, lost)

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> Sequence[Row[Any]]:
        return await self.runtime.database.execute(statement, values)

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        """Extend the claims as long as the block runs, and tell how far it is."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(RENEW_EVERY)
                try:
                    await self._execute(sending_queries.RENEW, {**self.values, "lease": LEASE})
                    await self._show()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("claims could not be extended: %s", error)

        await self._show()
        task = asyncio.create_task(extend())
        try:
            yield
        finally:
            await end(task)
        await self._show()

    async def _show(self) -> None:
        """Tell how many mails are done; counting them is too slow for every slice."""
        (found,) = await self._execute(sending_queries.PROGRESS, self.values)
        self._tell(found.done, found.total)


class _Line:
    """One connection, and what it has not written down yet."""

    def __init__(self, run: Run, sender: Sender) -> None:
        self._run, self._sender = run, sender
        self._results: dict[UUID, Result] = {}

    async def hand_over(self, rows: Sequence[Row[Any]]) -> None:
        """Hand mails over; what became of them is written down with the next ones' stamp."""
        envelope, by_id = self._run.envelope, {str(row.id): row for row in rows}
        released = False

        async def release(ids: Sequence[str]) -> list[str]:
            nonlocal released
            let_go = await self._run.stamp(self._results, [by_id[each].id for each in ids])
            self._results, released = {}, True
            return [str(each) for each in let_go]

        recipients = [envelope.recipient(row) for row in rows]
        try:
            outcomes = await self._sender.send(envelope.mail, recipients, release)
        except BaseException as error:  # a worker's end, too
            if not released or isinstance(error, MailRefused | MailDelayed):  # nothing was sent
                await self._run.put_back([row.id for row in rows])
            raise
        await self._keep(by_id, outcomes)

    async def _keep(self, by_id: Mapping[str, Row[Any]], outcomes: Mapping[str, Outcome]) -> None:
        moment, withheld = now(), []
        for name, row in by_id.items():
            result = result_of(outcomes[name], row.attempts + 1, moment)
            if result is None:
                withheld.append(row.id)
            else:
                self._results[row.id] = result
        if withheld:
            await self._run.withheld(withheld)
        if any(result.bounced for result in self._results.values()):
            await self.record()

    async def record(self) -> None:
        """Write down what became of the last mails."""
        if self._results:
            await self._run.record(self._results)
            self._results = {}


def _columns(results: Mapping[UUID, Result]) -> dict[str, list[Any]]:
    """Return results as the statements take them."""
    found = list(results.values())
    return {
        "done": list(results),
        "states": [result.state for result in found],
        "codes": [result.code for result in found],
        "errors": [result.error for result in found],
        "provider_ids": [result.provider_id for result in found],
        "delays": [result.delay for result in found],
    }
