"""Runs jobs declared `inline` while no worker can: Redis is away, or nobody serves their queue.

Each runs by the claim of its row, so that a worker that comes back meanwhile finds it taken. Queues
where other jobs wait for a worker in vain are named in the log.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from datetime import timedelta

from redis.exceptions import RedisError

import service.operator  # noqa: F401 - it declares every job
from service.db import outbox
from service.db.outbox import DurableJob
from service.queue import declared, queue_key
from service.queue.backlog import backlogs, living
from service.runtime import Runtime
from workers import direct
from workers.engine.direct import Direct

LOCK = 0x616C6D49
"""PostgreSQL's advisory lock of whoever runs jobs inline."""
PATIENCE = timedelta(seconds=30)
"""While Redis is there: how long a job is due until its worker is missed, and how often to look."""
LOOK = 5.0
"""Seconds between two looks whether Redis is there."""
ANSWER = 5.0
"""Seconds that Redis may take to tell of its queues."""

log = logging.getLogger(__name__)


async def serve(runtime: Runtime) -> None:
    """Look for such jobs and run them, until cancelled; then they are left to others."""
    async with direct.running(runtime) as runner:
        fallback = Fallback(runtime, runner)
        try:
            while True:
                await fallback.look()
                await fallback.sleep()
        finally:
            await fallback.close()


class Fallback:
    """Runs here what no worker can run, as many jobs at a time as the maintenance worker may.

    Args:
        runtime: where rows and queues are.
        runner: runs the jobs.
        patience: see `PATIENCE`.
    """

    def __init__(self, runtime: Runtime, runner: Direct, patience: timedelta = PATIENCE) -> None:
        self._runtime = runtime
        self._runner = runner
        self._patience = patience
        allowed = runtime.settings.inline_fallback
        self._names = [job.name for job in declared().values() if job.inline and allowed]
        self._queues = sorted({queue_key(job.queue) for job in declared().values()})
        self._lonely: frozenset[str] = frozenset()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def look(self) -> None:
        """Begin to run what no worker will."""
        waits = await self._overdue(self._patience)
        left_out = await self._left_to_workers(scan=bool(waits))
        if left_out is None:
            rows = await self._overdue(timedelta())
        else:  # asked anew: the first ones may all be of queues that are served
            rows = await self._overdue(self._patience, left_out) if waits else []
        for row in rows:
            if row.id not in self._running:
                self._running[row.id] = asyncio.create_task(self._run(row))

    async def sleep(self) -> None:
        """Wait until Redis is missed, or as long as workers have for their jobs."""
        for _ in range(int(self._patience.total_seconds() / LOOK)):
            await asyncio.sleep(LOOK)
            try:
                async with asyncio.timeout(ANSWER):
                    await self._runtime.queue.ping()
            except (RedisError, OSError, TimeoutError):
                return

    async def idle(self) -> None:
        """Wait until nothing runs here."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def close(self) -> None:
        """Interrupt what runs here; others may run it at once."""
        for task in self._running.values():
            task.cancel()
        await self.idle()

    async def _run(self, row: DurableJob) -> None:
        try:
            await direct.run(self._runtime, self._runner, row.queue, row.id, row.payload)
        except Exception:  # an error of ours, or code that cannot be loaded: no reason to stop
            log.exception("job %s could not be run inline", row.id)
        finally:
            del self._running[row.id]

    async def _overdue(self, wait: timedelta, but_in: Collection[str] = ()) -> Sequence[DurableJob]:
        room = self._runtime.settings.maintenance_concurrency - len(self._running)
        if not self._names or room <= 0:
            return []
        async with self._runtime.database.session() as session:
            return await outbox.overdue(session, self._names, wait, but_in=list(but_in), limit=room)

    async def _left_to_workers(self, *, scan: bool) -> set[str] | None:
        """Return the queues that are served or paused; None when Redis does not answer.

        Args:
            scan: whether to look for workers even if no queue is late.
        """
        client = self._runtime.queue
        try:
            async with asyncio.timeout(ANSWER):
                queues = await backlogs(client, self._queues)
                late = {
                    found.queue
                    for found in queues
                    if found.oldest > self._patience.total_seconds() and not found.paused
                }
                served = set(await living(client)) if late or scan else set()
        except (RedisError, OSError, TimeoutError):
            return None
        self._tell(frozenset(late - served))
        return served | {found.queue for found in queues if found.paused}

    def _tell(self, lonely: frozenset[str]) -> None:
        for queue in sorted(lonely - self._lonely):
            log.warning(
                "no worker serves %s, where jobs are due for more than %g s",
                queue, self._patience.total_seconds(),
            )  # fmt: skip
        for queue in sorted(self._lonely - lonely):
            log.info("%s is served again", queue)
        self._lonely = lonely
