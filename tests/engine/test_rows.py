"""Durable jobs as the engine sees them: the row is asked first and told before Redis is."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from service.queue import ROW, JobCall, JobState, QueueClient, RetryPolicy, cancel, dead_jobs, job
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, serving, until, work
from workers.engine import Begun, Context, Finished, Over, RowClaim, RowOutcome, run, snooze
from workers.engine.ending import Outcome
from workers.engine.limits import Wait

pytestmark = pytest.mark.asyncio


@job("engine.durable", queue=QUEUE, coroutine=f"{HERE}.durable", retry=RetryPolicy(3, delay=0))
async def durable(number: int) -> int:
    """Return the number, fail for 13, snooze once for 7."""
    raise NotImplementedError


@dataclass
class Rows:
    """A ledger of rows in memory, that fails as often as it is told."""

    client: QueueClient
    answers: list[Begun | Wait | Over] = field(default_factory=list)
    failures: int = 0
    mine: bool = True
    begun: list[RowClaim] = field(default_factory=list)
    settled: list[RowOutcome] = field(default_factory=list)
    redis_had_it: list[bool] = field(default_factory=list)
    recorded: list[Finished] = field(default_factory=list)

    async def begin(self, claim: RowClaim) -> Begun | Wait | Over:
        self._fail()
        self.begun.append(claim)
        return self.answers.pop(0) if self.answers else Begun(len(self.settled))

    async def settle(self, outcome: RowOutcome) -> bool:
        self._fail()
        self.settled.append(outcome)
        self.redis_had_it.append(bool(await self.client.exists(f"arq:job:{outcome.claim.job_id}")))
        return self.mine

    async def record(self, end: Finished) -> bool:
        self.recorded.append(end)
        return False

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")


class Code:
    """The coroutine of `engine.durable`, that counts."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    async def __call__(self, ctx: Context, number: int) -> int:
        self.runs.append(ctx["job_try"])
        if number == 13:
            raise ValueError("bad luck")
        if number == 7 and len(self.runs) == 1:
            raise snooze(timedelta())
        if number == 99:
            await asyncio.sleep(30)
        return number


def with_row(call: JobCall) -> JobCall:
    """Return the call as `UnitOfWork.enqueue` sends it."""
    return JobCall(call.name, call.queue, kwargs=call.kwargs, headers={ROW: "4"})


async def test_the_row_is_claimed_before_and_closed_before_redis_forgets(
    client: QueueClient,
) -> None:
    """Rule 12, G009: one claim, one outcome, and the job is still in Redis at both."""
    rows, code = Rows(client), Code()
    await send(client, with_row(durable(number=1)), "a")
    await work(client, run(durable, code), ledger=rows)
    (claim,), (outcome,) = rows.begun, rows.settled
    assert (claim.job_id, claim.version, claim.crashed) == ("a", "4", False)
    assert outcome.claim == claim
    assert (outcome.outcome, outcome.tries, outcome.error) == (Outcome.SUCCEEDED, 1, None)
    assert rows.redis_had_it == [True]
    assert rows.recorded == []
    assert code.runs == [1]
    assert (await seen(client, "a")).result == 1


async def test_a_row_that_has_ended_runs_no_more(client: QueueClient) -> None:
    """M12: the job ends without a trace, and its code is not called."""
    rows, code = Rows(client, answers=[Over()]), Code()
    await send(client, with_row(durable(number=1)), "a")
    await work(client, run(durable, code), ledger=rows)
    assert (code.runs, rows.settled) == ([], [])
    assert not await client.exists("arq:job:a", "arq:result:a", KEY)


async def test_a_row_that_another_holds_is_waited_for(client: QueueClient) -> None:
    """The job is visible again when that claim ends; no try is used."""
    rows, code = Rows(client, answers=[Wait(int(time.time() * 1000) + 50)]), Code()
    await send(client, with_row(durable(number=1)), "a")
    await work(client, run(durable, code), ledger=rows)
    assert len(rows.begun) == 2
    assert rows.begun[0].token != rows.begun[1].token
    assert code.runs == [1]


async def test_tries_of_the_row_outrank_those_of_redis(client: QueueClient) -> None:
    """Rule 12: after a wipe Redis counts from one, the row does not; at the last try it is dead."""
    rows, code = Rows(client, answers=[Begun(2)]), Code()
    await send(client, with_row(durable(number=13)), "a")
    await work(client, run(durable, code), ledger=rows)
    assert code.runs == [3]
    (outcome,) = rows.settled
    assert (outcome.outcome, outcome.tries) == (Outcome.DEAD, 3)
    assert outcome.error == "ValueError: bad luck"
    assert await dead_jobs(client, KEY) == [], "the row keeps it"
    assert (await seen(client, "a")).state is JobState.FAILED


async def test_every_outcome_of_a_try_is_told(client: QueueClient) -> None:
    """G083: retries with their due times, then the end; a snooze uses no try."""
    rows, code = Rows(client), Code()
    await send(client, with_row(durable(number=13)), "a")
    await work(client, run(durable, code), ledger=rows)
    assert [o.outcome for o in rows.settled] == [Outcome.RETRIED, Outcome.RETRIED, Outcome.DEAD]
    assert [o.tries for o in rows.settled] == [1, 2, 3]
    assert all(o.due_at is not None for o in rows.settled[:2])
    assert rows.settled[0].error == "ValueError: bad luck"
    rows, code = Rows(client, answers=[Begun(0), Begun(0)]), Code()
    await send(client, with_row(durable(number=7)), "b")
    await work(client, run(durable, code), ledger=rows)
    told = [(o.outcome, o.tries) for o in rows.settled]
    assert told == [(Outcome.SNOOZED, 0), (Outcome.SUCCEEDED, 1)]


async def test_without_its_rows_a_job_neither_starts_nor_ends(client: QueueClient) -> None:
    """A database that is away delays the start and the end; Redis is told of neither."""
    rows, code = Rows(client, failures=1), Code()

    async def work_while_the_database_goes(ctx: Context, number: int) -> int:
        rows.failures = 2
        return await code(ctx, number)

    await send(client, with_row(durable(number=1)), "a")
    async with serving(client, run(durable, work_while_the_database_goes), ledger=rows):
        await until(lambda: code.runs)
        assert rows.begun
        assert await client.exists("arq:in-progress:a", "arq:job:a") == 2
        await until(lambda: rows.settled)
    assert code.runs == [1]
    assert rows.redis_had_it == [True]


async def test_a_cancelled_job_closes_its_row(client: QueueClient) -> None:
    """Also one that never ran: an end must be in the row before Redis forgets the job."""

    class Owner:
        async def cancel(self, client: QueueClient, view: object) -> bool:
            return bool(await client.zadd("arq:abort", {"a": 2}))

        async def replay(self, client: QueueClient, view: object) -> bool:
            return False

    rows, code = Rows(client), Code()
    await send(client, with_row(durable(number=99)), "a")
    async with serving(client, run(durable, code), ledger=rows, allow_abort_jobs=True):
        await until(lambda: code.runs)
        assert await cancel(client, "a", resolve=lambda _: Owner())
        await until(lambda: rows.settled)
    assert [o.outcome for o in rows.settled] == [Outcome.CANCELLED]


async def test_a_crashed_claim_may_be_taken_over(client: QueueClient) -> None:
    """The row's holder is known to be dead when its lease in Redis ended without an outcome."""
    rows, code = Rows(client), Code()
    await send(client, with_row(durable(number=1)), "a")
    await client.hset(f"{KEY}:claims", "a", "dead.1:1")  # type: ignore[misc] # redis-py's
    await work(client, run(durable, code), ledger=rows)
    assert [claim.crashed for claim in rows.begun] == [True]


async def test_a_row_that_was_taken_over_decides(client: QueueClient) -> None:
    """Its outcome is another's; the queue is cleared all the same."""
    rows, code = Rows(client, mine=False), Code()
    await send(client, with_row(durable(number=1)), "a")
    await work(client, run(durable, code), ledger=rows)
    assert len(rows.settled) == 1
    assert not await client.exists("arq:job:a", KEY)
