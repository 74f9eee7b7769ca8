"""Outcomes on their way to Redis: written in batches, each exactly once or not at all."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from workers.engine.broker import LARGEST_BATCH, Broker, Held
from workers.engine.ending import Ending
from workers.engine.execution import Executor
from workers.engine.running import Running

_REFUSED, _DONE, _MARKED, _EXPIRED, _UNTAKEN, _FULL = range(6)
_FULL_PAUSE = 0.25

log = logging.getLogger(__name__)


class Ended(NamedTuple):
    """A run with its ending, and the context for `after_job_end` if it came so far."""

    run: Running
    end: Ending
    ctx: dict[Any, Any] | None


class Outbox:
    """Writes endings, one batch at a time; while one is under way the next collects.

    Args:
        broker: writes them.
        executor: says how a job ends that may not run again after all.
        written: called for each ending that Redis has taken.
        dropped: called for each run whose ending nobody wants: its lease was lost.
        emptied: called when all have been written.
    """

    def __init__(
        self,
        broker: Broker,
        executor: Executor,
        *,
        written: Callable[[Ended], None],
        dropped: Callable[[Running], None],
        emptied: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._executor = executor
        self._written = written
        self._dropped = dropped
        self._emptied = emptied
        self._waiting: deque[Ended] = deque()
        self._unwritten = 0
        self._bell = asyncio.Event()
        self._aftermath: set[asyncio.Task[None]] = set()

    def put(self, ended: Ended) -> None:
        """Have an ending written."""
        self._waiting.append(ended)
        self._unwritten += 1
        self._bell.set()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what follows from an ending, without anybody waiting for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._aftermath.add(task)
        task.add_done_callback(self._aftermath.discard)

    @property
    def empty(self) -> bool:
        """Whether everything is written."""
        return not self._unwritten

    async def flush(self) -> None:
        """Wait until everything is written, and what follows from it is done."""
        while self._unwritten or self._aftermath:  # noqa: ASYNC110 - two things, at the end only
            await asyncio.sleep(0.002)

    async def serve(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                size = min(LARGEST_BATCH, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(size)]
                await self._write(batch)
                self._unwritten -= size
            self._emptied()

    async def _write(self, batch: list[Ended]) -> None:
        try:
            codes = await self._broker.finish(
                [(Held(run.job_id, run.token, ""), run.score, end) for run, end, _ in batch]
            )
        except RedisError as error:
            await self._write_singly(batch, error)
            return
        for ended, code in zip(batch, codes, strict=True):
            if code == _DONE:
                self._written(ended)
            else:
                await self._follow(ended, code)

    async def _write_singly(self, batch: list[Ended], error: RedisError) -> None:
        """Repeat a refused batch item by item, so that one bad item stops no other."""
        if len(batch) > 1:
            for ended in batch:
                await self._write([ended])
            return
        run = batch[0].run
        log.error("job %s: its outcome was refused, so it runs again: %s", run.job_id, error)
        self._dropped(run)

    async def _follow(self, ended: Ended, code: int) -> None:
        """Do as finish.lua says about an outcome that it did not write."""
        run, end, ctx = ended
        while code != _DONE:
            if code == _REFUSED:
                log.warning("job %s: its lease was lost, and its outcome with it", run.job_id)
                self._dropped(run)
                return
            if code == _MARKED:
                end = await self._executor.marked(run)
            elif code == _EXPIRED:
                end = await self._executor.expired(run)
            elif code == _FULL:
                await asyncio.sleep(_FULL_PAUSE)
            (answer,) = await self._broker.finish([(run.held, run.score, end)])
            code = _REFUSED if answer == _UNTAKEN else answer
        self._written(Ended(run, end, ctx))
