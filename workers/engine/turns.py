"""The worker's heart: claims what can be started, and starts it.

One claim and one batch of outcomes are under way at a time, each without waiting for the other.
Meanwhile jobs go on ending, so that under load a call carries many, and alone it carries one.
"""

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from workers.engine.broker import LARGEST_BATCH, Broker, Held, Leased
from workers.engine.deadlines import Deadlines
from workers.engine.ending import Ending, Outcome
from workers.engine.execution import Executor
from workers.engine.isolation import LOOK_AGAIN, Isolation
from workers.engine.limits import Answer, Limits
from workers.engine.meter import METER, Meter
from workers.engine.outbox import Ended, Outbox
from workers.engine.running import Running, Stop
from workers.engine.sentry import isolated
from workers.engine.wakes import Wakes

if TYPE_CHECKING:
    from workers.engine.worker import Worker

SAFETY_POLL = 30.0
"""Seconds between two looks at an idle queue, should a wake-up get lost."""

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
        self.lease_losses = 0
        self._meter: Meter | None = worker.ctx.get(METER)
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
        self._deadlines = Deadlines(self.held_runs, self._give_up)
        self.arm = self._deadlines.arm
        self._bell = asyncio.Event()
        self._claimed: list[Running] = []
        self._waiting: deque[Running] = deque()
        self._active = 0
        self._due: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._isolation = Isolation(self.runs, self.wake)
        self.listener: Callable[[frozenset[str]], None] = lambda _: None
        """Told which keys somebody else wrote to; none means that it may be any."""

    def use(self, executor: Executor, limits: Limits) -> None:
        """Set what runs the jobs."""
        self._executor = executor
        self._limits = limits
        self.outbox = Outbox(
            self.broker,
            executor,
            written=self._written,
            dropped=self._lose,
            emptied=self._note_idle,
        )

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
            writing = group.create_task(self.outbox.serve())
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
        if self.hungry:
            self._bell.set()
        else:  # no next claim
            self._begin_claimed()
            self._slots.pass_on(self)

    def _room(self) -> int:
        """Return how many jobs to claim now."""
        worker = self._worker
        if not self.hungry:
            return 0
        allowed = self._isolation.room()
        if allowed is not None:
            return self._slots.room(self, allowed)
        wanted = LARGEST_BATCH
        if worker.burst and worker.max_burst_jobs >= 0:
            wanted = min(wanted, worker.max_burst_jobs - self.started_count - len(self._claimed))
        room = self._slots.room(self, wanted)
        if not room and worker.prefetch:
            ahead = max(0, self._slots.used - self._slots.open)
            room = min(wanted, worker.prefetch - ahead)
        return max(room, 0)

    async def _claim(self, room: int) -> None:
        alone = self._isolation.nothing_runs()
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
        more = claimed.more or taken >= room or claimed.status == "jump"
        self.wakes.digest(found=taken > 0, more=more)
        self._set_timer(claimed.due_ms)
        if claimed.held:
            self._make_way()
        else:
            self._isolation.made_way()

    def _make_way(self) -> None:
        """Start nothing else for a while, so that a job that must run alone finds us empty."""
        self._isolation.make_way()
        if self._isolation.draining and self._isolation.nothing_runs():
            self.wakes.feed()
        else:
            self.wakes.hungry = self._isolation.draining
            self._remind(self.broker.clock.now_ms() + LOOK_AGAIN * 1000)

    def _set_timer(self, due_ms: float | None) -> None:
        if self._due is not None:
            self._due.cancel()
        delay = SAFETY_POLL if self.broker.tracking else self._worker.poll_delay_s
        if due_ms is not None:
            delay = min(delay, self._seconds_until(due_ms))
        self._due_at = self._loop.time() + delay  # uvloop's handles cannot always tell
        self._due = self._loop.call_later(delay, self.wakes.feed)

    def _remind(self, due_ms: float) -> None:
        """Look again when a job is due that we queued ourselves: our own writes wake us not."""
        delay = self._seconds_until(due_ms)
        if self._due is None or self._loop.time() + delay < self._due_at:
            self._set_timer(due_ms)

    def _seconds_until(self, due_ms: float) -> float:
        """Return when to claim what is due then; a claim takes what is due within 2 ms."""
        return max(0.0, self.broker.clock.seconds_until(due_ms - 2))

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
        if not self._worker.allow_pick_jobs:
            self._release_waiting()

    def _start(self, run: Running) -> None:
        self._active += 1
        self.started_count += 1
        run.task = self._loop.create_task(self._execute(run))
        self._worker.tasks[run.job_id] = run.task

    async def _execute(self, run: Running) -> None:
        ctx: dict[Any, Any] | None = None
        try:
            with isolated():
                end, ctx = await self._executor.execute(run)
        except asyncio.CancelledError:  # before its code began
            end = Ending(Outcome.RELEASED, at_ms=int(self.broker.clock.now_ms()))
        except Exception:  # an error of ours; the job is kept, and does not come back for ever
            log.exception("job %s could not be run", run.job_id)
            end = Ending(Outcome.DEAD, tries=run.job_try)
        self._end(run, end, ctx)

    def _end(self, run: Running, end: Ending, ctx: dict[Any, Any] | None) -> None:
        """Free the slot and have the outcome written, once."""
        if run.ended:
            self.zombies -= 1
            return
        run.ended = True
        if self._meter is not None:
            run.ended_ms = self.broker.clock.now_ms()
        self._active -= 1
        self._worker.tasks.pop(run.job_id, None)
        if self._waiting and self._worker.allow_pick_jobs:
            self._start(self._waiting.popleft())
        self._slots.give_back(1)
        if run.stop is Stop.LOST:
            self._forget(run)
            self._note_idle()
        else:
            self.outbox.put(Ended(run, end, ctx))

    def _written(self, ended: Ended) -> None:
        run, end, ctx = ended
        worker = self._worker
        if self._meter is not None:
            self._meter.ended(worker.queue_name, run, end)
        if end.outcome is Outcome.SUCCEEDED:
            worker.jobs_complete += 1
        elif end.outcome in (Outcome.RETRIED, Outcome.SNOOZED):
            worker.jobs_retried += 1
            self._remind(end.at_ms)
        elif end.outcome is Outcome.RELEASED:
            self._remind(end.at_ms)
        else:
            worker.jobs_failed += 1
        if run.want is not None:
            self.outbox.later(self._free(run))
        if ctx is not None and worker.after_job_end is not None:
            self.outbox.later(self._executor.after(ctx))
        self._forget(run)

    def _lose(self, run: Running) -> None:
        """Forget a run whose outcome Redis did not take: its lease was lost."""
        self.lease_losses += 1
        self._forget(run)

    def _forget(self, run: Running) -> None:
        if self.runs.get(run.job_id) is run:
            del self.runs[run.job_id]

    def _note_idle(self) -> None:
        if not self.runs:
            self._idle.set()
            self._bell.set()
            self._isolation.note_idle()

    async def _free(self, run: Running) -> None:
        assert run.want is not None
        try:
            await self._limits.free([run.want])
        except (RedisError, OSError) as error:
            log.warning("limits of job %s are held until its lease ends: %s", run.job_id, error)

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

    async def unmark(self, run: Running) -> None:
        """Remove an abort mark that was meant for an earlier job of this id."""
        await self.broker.unmark(run.job_id, run.mark)

    async def started(self, run: Running) -> None:
        """Write that a job with crashes begins, before it does."""
        await self.broker.started(run.job_id, run.token)

    def _give_up(self, run: Running) -> None:
        """Free the slot of a job that ignores its limit; its task lives on as a zombie."""
        if run.ended or run.given_up:
            return
        run.given_up = True
        where = run.task.get_stack(limit=5) if run.task else []
        log.error("job %s ignores its time limit and its cancellation, at %s", run.job_id, where)
        self.outbox.later(self._bury(run))

    async def _bury(self, run: Running) -> None:
        end = await self._executor.overdue(run)
        if not run.ended:
            self._end(run, end, None)
            self.zombies += 1

    def told(self, run: Running, why: Stop) -> None:
        """Stop a run that was cancelled, or whose lease was lost."""
        if run.ended:
            return
        log.warning("job %s is stopped: %s", run.job_id, why.value)
        self.lease_losses += why is Stop.LOST
        run.interrupt(why)

    def _heard(self, keys: frozenset[str]) -> None:
        if "arq:abort" in keys and self.runs:
            self.outbox.later(self._look_for_marks())
        if keys != {"arq:abort"}:
            self.wakes.hear()
        self.listener(keys)

    async def _look_for_marks(self) -> None:
        ids = list(self.runs)
        for start in range(0, len(ids), LARGEST_BATCH):
            for job_id in await self.broker.marked(ids[start : start + LARGEST_BATCH]):
                if job_id in self.runs:
                    self.told(self.runs[job_id], Stop.CANCELLED)

    async def _burst_over(self) -> bool:
        worker = self._worker
        if self.runs or not self.outbox.empty:
            return False
        if 0 <= worker.max_burst_jobs <= self.started_count:
            return True
        if self.hungry:
            return False
        return not await self.broker.call("ZCARD", worker.queue_name)

    async def idle(self) -> None:
        """Wait until nothing runs and all outcomes are written."""
        await self._idle.wait()

    def _release_waiting(self) -> None:
        """Give back what is claimed and not started."""
        while self._waiting:
            run = self._waiting.popleft()
            self._active += 1
            self._end(run, Ending(Outcome.RELEASED, at_ms=int(run.score)), None)

    def release_all(self) -> None:
        """Interrupt every job, to be run elsewhere at once."""
        self._begin_claimed()
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
        self._isolation.leave()
        self._slots.leave(self)
        self.wakes.close()
        self._deadlines.close()
        if self._due is not None:
            self._due.cancel()
        self.broker.close()
