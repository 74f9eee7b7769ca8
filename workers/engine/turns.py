"""The worker's heart: claims what can be started, starts it, writes what came of it.

One claim and one batch of outcomes are under way at a time, each without waiting for the other.
Meanwhile jobs go on ending, so that under load a call carries many, and alone it carries one.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from workers.engine.broker import LARGEST_BATCH, Broker, Held, Leased
from workers.engine.ending import Ending, Outcome
from workers.engine.execution import Executor
from workers.engine.limits import Answer, Limits
from workers.engine.running import Running, Stop
from workers.engine.wakes import Wakes

if TYPE_CHECKING:
    from workers.engine.worker import Worker

AFTER_LIMIT = 5.0
"""Seconds that a job gets after its hard limit; then its lease ends and its slot is free."""
LIMIT_TICK = 0.05
"""Seconds between two looks at time limits: so much later than its limit a job may be stopped."""
SAFETY_POLL = 30.0
"""Seconds between two looks at an idle queue, should a wake-up get lost."""
DRAIN_FOR_CRASHED = 30.0
"""Seconds for which nothing else is started, so that a job with crashes can run alone."""
_REFUSED, _DONE, _MARKED, _EXPIRED, _UNTAKEN, _FULL = range(6)

log = logging.getLogger(__name__)


class Turns:
    """Takes turns with Redis for one worker."""

    def __init__(self, worker: "Worker", incarnation: str) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self.incarnation = incarnation
        self.runs: dict[str, Running] = {}
        self.zombies = 0
        self.started_count = 0
        self.wakes = Wakes(self.wake)
        self.broker = Broker(
            worker.pool.connection_pool,
            queue=worker.queue_name,
            incarnation=incarnation,
            lease=worker.lease,
            most_crashes=worker.max_crashes,
            heard=self._heard,
            leases=self._leases,
        )
        self._slots = worker.slots
        self._slots.join(self)
        self._bell = asyncio.Event()
        self._ended_bell = asyncio.Event()
        self._ended: deque[tuple[Running, Ending, dict[Any, Any] | None]] = deque()
        self._writing = 0
        self._claimed: list[Running] = []
        self._waiting: deque[Running] = deque()
        self._active = 0
        self._due: asyncio.TimerHandle | None = None
        self._clockwork: asyncio.TimerHandle | None = None
        self._drained_until = 0.0
        self._undrained_until = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    def use(self, executor: Executor, limits: Limits) -> None:
        """Set what runs the jobs."""
        self._executor = executor
        self._limits = limits

    @property
    def hungry(self) -> bool:
        """Whether there may be due jobs that nobody has claimed."""
        return self.wakes.hungry and self._worker.allow_pick_jobs

    def wake(self) -> None:
        """Have a turn soon."""
        self._bell.set()

    def held_runs(self) -> list[Running]:
        """Return what is held; also from another thread."""
        return list(self.runs.values())

    def _leases(self) -> Sequence[Held]:
        return [run.held for run in self.held_runs()]

    async def serve(self) -> None:
        """Take turns until cancelled, or in burst mode until the queue is empty."""
        self.wakes.feed()
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self._write_ended())
            while True:
                await self._bell.wait()
                self._bell.clear()
                await self._turn()
                if self._worker.burst and await self._burst_over():
                    writing.cancel()
                    return

    async def _turn(self) -> None:
        """Claim, and start what the claim before has brought."""
        if not (room := self._room()):
            self._begin_claimed()
            return
        self._slots.take(room)
        if not self._claimed:
            await self._claim(room)
        else:
            claim = self._loop.create_task(self._claim(room))
            # Started only once the next claim is sent, so that Redis works while the jobs do.
            await asyncio.sleep(0)
            self._begin_claimed()
            await claim
        if not self.hungry:  # no next claim
            self._begin_claimed()
        else:
            self._bell.set()

    async def _write_ended(self) -> None:
        while True:
            await self._ended_bell.wait()
            self._ended_bell.clear()
            while self._ended:
                batch = [self._ended.popleft() for _ in range(min(LARGEST_BATCH, len(self._ended)))]
                await self._write(batch)
                self._writing -= len(batch)
            self._note_idle()

    def _room(self) -> int:
        """Return how many jobs to claim now."""
        worker = self._worker
        if not self.hungry or time.monotonic() < self._drained_until:
            return 0 if self.runs or not self.hungry else self._slots.room(self, 1)
        wanted = LARGEST_BATCH
        if worker.burst and worker.max_burst_jobs >= 0:
            wanted = min(wanted, worker.max_burst_jobs - self.started_count)
        room = self._slots.room(self, wanted)
        if not room and worker.prefetch > len(self._waiting):
            room = min(wanted, worker.prefetch - len(self._waiting))
        return room

    async def _claim(self, room: int) -> None:
        alone = not self.runs
        self.wakes.ate()
        taken = 0
        try:
            claimed = await self.broker.claim(room, alone=alone)
            taken = len(claimed.jobs)
        finally:
            self._slots.give_back(room - taken)
        self._take_on(claimed.jobs)
        if claimed.status == "gone":
            log.error("this worker was declared dead by its supervisor; it stops")
            self._worker.handle_sig(signal.SIGTERM)
            return
        if claimed.held:
            self._make_way()
        more = taken >= min(room, LARGEST_BATCH) or claimed.status == "jump"
        self.wakes.digest(found=taken > 0, more=more)
        self._set_timer(claimed.due_ms)

    def _make_way(self) -> None:
        """Start nothing else for a while, so that a job that must run alone finds us empty."""
        now = time.monotonic()
        if now > self._undrained_until:
            self._drained_until = now + DRAIN_FOR_CRASHED
            self._undrained_until = now + 2 * DRAIN_FOR_CRASHED
        self.wakes.feed()

    def _set_timer(self, due_ms: float | None) -> None:
        if self._due is not None:
            self._due.cancel()
        delay = SAFETY_POLL if self.broker.tracking else self._worker.poll_delay_s
        if due_ms is not None:
            delay = min(delay, max(0.0, self.broker.clock.seconds_until(due_ms - 2)))
        self._due = self._loop.call_later(delay, self.wakes.feed)

    def _take_on(self, jobs: Sequence[Leased]) -> None:
        if jobs:
            self._idle.clear()
        for leased in jobs:
            run = Running(leased)
            self.runs[run.job_id] = run
            self._claimed.append(run)

    def _begin_claimed(self) -> None:
        for run in self._claimed:
            if self._active < self._slots.open and self._worker.allow_pick_jobs:
                self._start(run)
            else:
                self._waiting.append(run)
        self._claimed.clear()

    def _start(self, run: Running) -> None:
        self._active += 1
        self.started_count += 1
        run.task = self._loop.create_task(self._execute(run))
        self._worker.tasks[run.job_id] = run.task

    async def _execute(self, run: Running) -> None:
        ctx: dict[Any, Any] | None = None
        try:
            end, ctx = await self._executor.execute(run)
        except (Exception, asyncio.CancelledError):  # our own error: the job runs again elsewhere
            if not run.ended and run.stop is None:
                log.exception("job %s could not be run", run.job_id)
            end = Ending(Outcome.RELEASED, at_ms=int(self.broker.clock.now_ms() + 1000))
        self._end(run, end, ctx)

    def _end(self, run: Running, end: Ending, ctx: dict[Any, Any] | None) -> None:
        """Free the slot and have the outcome written, once."""
        if run.ended:
            self.zombies -= 1
            return
        run.ended = True
        self._active -= 1
        self._worker.tasks.pop(run.job_id, None)
        if self._waiting and self._worker.allow_pick_jobs:
            self._start(self._waiting.popleft())
        self._slots.give_back(1)
        if run.stop is Stop.LOST:
            self._forget(run)
            return
        self._ended.append((run, end, ctx))
        self._writing += 1
        self._ended_bell.set()

    async def _write(self, batch: list[tuple[Running, Ending, dict[Any, Any] | None]]) -> None:
        try:
            codes = await self.broker.finish(
                [(_held(run, with_sha=False), run.score, end) for run, end, _ in batch]
            )
        except RedisError as error:
            if len(batch) == 1:
                log.error("job %s: its outcome was refused: %s", batch[0][0].job_id, error)  # noqa: TRY400
                self._forget(batch[0][0])
                return
            for item in batch:  # so that one bad item stops no other
                await self._write([item])
            return
        for (run, end, ctx), code in zip(batch, codes, strict=True):
            if code == _DONE:
                self._written(run, end, ctx)
            else:
                await self._write_again(run, end, ctx, code)

    async def _write_again(
        self, run: Running, end: Ending, ctx: dict[Any, Any] | None, code: int
    ) -> None:
        """Follow what finish.lua says about an outcome that it did not write."""
        if code == _MARKED:
            end = self._executor.marked(run)
        elif code == _EXPIRED:
            end = self._executor.expired(run)
        elif code == _FULL:
            await asyncio.sleep(0.25)
        elif code == _REFUSED:
            log.warning("job %s: its lease was lost, and its outcome with it", run.job_id)
            self._forget(run)
            return
        (again,) = await self.broker.finish([(_held(run, with_sha=True), run.score, end)])
        if again == _DONE:
            self._written(run, end, ctx)
        else:
            await self._write_again(run, end, ctx, _REFUSED if again == _UNTAKEN else again)

    def _written(self, run: Running, end: Ending, ctx: dict[Any, Any] | None) -> None:
        worker = self._worker
        if end.outcome is Outcome.SUCCEEDED:
            worker.jobs_complete += 1
        elif end.outcome in (Outcome.RETRIED, Outcome.SNOOZED):
            worker.jobs_retried += 1
        elif end.outcome is not Outcome.RELEASED:
            worker.jobs_failed += 1
        if run.want is not None:
            self._loop.create_task(self._free(run))
        if ctx is not None and worker.after_job_end is not None:
            self._loop.create_task(self._executor.after(ctx))
        self._forget(run)

    def _forget(self, run: Running) -> None:
        if self.runs.get(run.job_id) is run:
            del self.runs[run.job_id]

    def _note_idle(self) -> None:
        if not self.runs and not self._ended:
            self._idle.set()
            self._bell.set()

    async def _free(self, run: Running) -> None:
        assert run.want is not None
        try:
            await self._limits.free([run.want])
        except (RedisError, OSError) as error:
            log.warning(
                "the limits of job %s are free only when its lease ends: %s", run.job_id, error
            )

    async def acquire(self, run: Running) -> Answer:
        """Ask for a job's limits, through every loss of the connection."""
        assert run.want is not None
        while True:
            try:
                (answer,) = await self._limits.acquire([run.want], int(self._worker.lease * 1000))
            except (RedisError, OSError) as error:
                log.warning("waiting for the limits of job %s: %s", run.job_id, error)
                await asyncio.sleep(0.25)
            else:
                return answer

    async def started(self, run: Running) -> None:
        """Write that a job with crashes begins, before it does."""
        await self.broker.started(run.job_id, run.token)

    def arm(self, run: Running, timeout: float) -> None:
        """Set the limits of a job that starts."""
        now = time.monotonic()
        if run.job is not None and run.job.soft_timeout is not None:
            run.soft_at = now + run.job.soft_timeout
        run.hard_at = now + timeout
        run.renewable_until = run.hard_at + AFTER_LIMIT
        if self._clockwork is None:
            self._clockwork = self._loop.call_later(LIMIT_TICK, self._check_limits)

    def _check_limits(self) -> None:
        """Stop what runs too long: one timer for all, since most jobs end before it comes."""
        now = time.monotonic()
        for run in self.held_runs():
            if now < run.soft_at and now < run.hard_at:
                continue
            if now >= run.hard_at + AFTER_LIMIT:
                self._give_up(run)
            elif now >= run.hard_at:
                run.interrupt(Stop.HARD_LIMIT)
            else:
                run.interrupt(Stop.SOFT_LIMIT)
        self._clockwork = (
            self._loop.call_later(LIMIT_TICK, self._check_limits) if self.runs else None
        )

    def _give_up(self, run: Running) -> None:
        """Free the slot of a job that ignores its limit; its task lives on as a zombie."""
        if run.ended:
            return
        where = run.task.get_stack(limit=5) if run.task else []
        log.error("job %s ignores its time limit and its cancellation, at %s", run.job_id, where)
        end = self._executor.overdue(run)
        self._end(run, end, None)
        self.zombies += 1

    def told(self, run: Running, why: Stop) -> None:
        """Stop a run that was cancelled, or whose lease was lost."""
        if run.ended:
            return
        log.warning("job %s is stopped: %s", run.job_id, why.value)
        run.interrupt(why)
        if run.task is None:  # it waits for a slot
            with contextlib.suppress(ValueError):
                self._waiting.remove(run)
                self._active += 1
                self._end(run, Ending(Outcome.RELEASED, at_ms=int(run.score)), None)

    def _heard(self, keys: frozenset[str]) -> None:
        if "arq:abort" in keys and self.runs:
            self._loop.create_task(self._look_for_marks())
        if keys != {"arq:abort"}:
            self.wakes.hear()

    async def _look_for_marks(self) -> None:
        ids = list(self.runs)
        for start in range(0, len(ids), LARGEST_BATCH):
            for job_id in await self.broker.marked(ids[start : start + LARGEST_BATCH]):
                if job_id in self.runs:
                    self.told(self.runs[job_id], Stop.CANCELLED)

    async def _burst_over(self) -> bool:
        worker = self._worker
        if self.runs or self._ended:
            return False
        if 0 <= worker.max_burst_jobs <= self.started_count:
            return True
        if self.hungry:
            return False
        return not await self.broker.call("ZCARD", worker.queue_name)

    async def idle(self) -> None:
        """Wait until nothing runs and all outcomes are written."""
        await self._idle.wait()

    async def flush(self) -> None:
        """Wait until all outcomes are written."""
        while self._writing:
            self._ended_bell.set()
            await asyncio.sleep(0.005)

    def release_all(self) -> None:
        """Interrupt every job, to be run elsewhere at once."""
        self._begin_claimed()
        while self._waiting:
            run = self._waiting.popleft()
            self._active += 1
            self._end(run, Ending(Outcome.RELEASED, at_ms=int(run.score)), None)
        for run in self.held_runs():
            run.interrupt(Stop.RELEASED)

    def abandon_all(self) -> None:
        """Give back even what would not be interrupted."""
        for run in self.held_runs():
            if not run.ended:
                log.error("job %s ignores its cancellation; it will run again", run.job_id)
                at = int(self.broker.clock.now_ms())
                self._end(run, Ending(Outcome.RELEASED, at_ms=at), None)
                self.zombies += 1

    def close(self) -> None:
        """Disconnect."""
        self._slots.leave(self)
        self.wakes.close()
        for timer in (self._due, self._clockwork):
            if timer is not None:
                timer.cancel()
        self.broker.close()


def _held(run: Running, *, with_sha: bool) -> Held:
    return run.held if with_sha else Held(run.job_id, run.token, "")
