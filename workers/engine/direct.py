"""Runs single jobs in this process, past the queue, by the same steps as a worker does.

Policy, limits, rows and outcomes are those of any run. What a queue adds is missing: there is no
lease, so nobody can cancel the job, and its slots of a concurrency limit are taken for as long as
it may run, instead of being renewed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.queue import JobType
from workers.engine.broker import Leased
from workers.engine.clock import ServerClock
from workers.engine.deadlines import AFTER_LIMIT, Deadlines
from workers.engine.ending import Ending
from workers.engine.execution import Executor
from workers.engine.functions import Context
from workers.engine.functions import run as function_of
from workers.engine.limits import Answer, Limits, script_runner
from workers.engine.running import Running, Stop
from workers.engine.writing import Writer

_ENDING = 5.0
"""Seconds that an interrupted job gets to end."""

log = logging.getLogger(__name__)


class Direct:
    """Runs jobs as they are handed to it.

    Args:
        client: of the Redis that keeps the limits; jobs without limits do not need it.
        ctx: arq's context of every job; its ledger, if it has one, keeps the rows.
    """

    def __init__(self, client: ArqRedis, ctx: Context) -> None:
        self._run_script = script_runner(client)
        self._ctx = {"redis": client, **ctx}
        self._runs: set[Running] = set()
        self._deadlines = Deadlines(lambda: list(self._runs), _note_zombie)

    async def run(
        self,
        job: JobType[..., Any],
        coroutine: Callable[..., Awaitable[Any]],
        queue: str,
        job_id: str,
        payload: bytes,
    ) -> Ending:
        """Run a job once and return how that ended; its errors are part of it.

        Cancelled, it interrupts the job, which is then to be run elsewhere.

        Args:
            job: its declaration.
            coroutine: its code.
            queue: key of the queue that it runs past.
            job_id: names its row, if it has one.
            payload: as the queue would have it.
        """
        run = Running(Leased(job_id, 0, payload, 0, "", 0, "", token_hex(8)))
        limits = Limits(self._run_script, queue)
        executor = self._executor(job, coroutine, limits, queue)
        ended: list[Ending] = []
        run.task = asyncio.create_task(_execute(executor, run, ended))
        self._runs.add(run)
        try:
            await asyncio.wait([run.task])
        except asyncio.CancelledError:
            run.interrupt(Stop.RELEASED)
            await asyncio.wait([run.task], timeout=_ENDING)
            raise
        finally:
            self._runs.discard(run)
            await _free(limits, run)
        run.task.result()
        return ended[0]

    def _executor(
        self,
        job: JobType[..., Any],
        coroutine: Callable[..., Awaitable[Any]],
        limits: Limits,
        queue: str,
    ) -> Executor:
        async def acquire(run: Running) -> Answer:
            assert run.want is not None
            assert run.function is not None
            longest = (run.function.timeout_s or job.timeout) + AFTER_LIMIT
            (answer,) = await limits.acquire([run.want], int(longest * 1000))
            return answer

        return Executor(
            {job.name: function_of(job, coroutine)},
            self._ctx,
            Writer(None, None, queue, keep_ms=0, keep_forever=False),
            clock=ServerClock(),
            hooks=(None, None, None),
            acquire=acquire,
            started=_nothing,
            unmark=_nothing,
            arm=self._deadlines.arm,
            job_timeout=job.timeout,
            max_tries=job.retry.tries,
            retry_jobs=True,
        )


async def _execute(executor: Executor, run: Running, ended: list[Ending]) -> None:
    end, _ = await executor.execute(run)
    run.ended = True
    ended.append(end)


async def _free(limits: Limits, run: Running) -> None:
    if run.want is None:
        return
    try:
        await limits.free([run.want])
    except (RedisError, OSError) as error:
        log.warning("limits of job %s are held until its time is over: %s", run.job_id, error)


async def _nothing(run: Running) -> None:
    """Do what only a lease needs."""


def _note_zombie(run: Running) -> None:
    if not run.given_up:
        run.given_up = True
        log.error("job %s ignores its time limit and its cancellation", run.job_id)
