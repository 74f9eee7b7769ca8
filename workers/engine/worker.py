"""A drop-in for arq's Worker on the same keys, with leases, batches and wake-ups of its own."""

import asyncio
import contextlib
import inspect
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from signal import Signals
from typing import Any, ClassVar

import arq.cli
import arq.worker
from arq.connections import ArqRedis, create_pool
from redis.exceptions import RedisError

from service.errors import Unavailable
from service.kit.memory import settle_memory
from service.kit.tasks import end
from service.queue import verify
from service.queue.codec import deserialize, serialize
from workers.engine.cron import TICKED
from workers.engine.execution import Executor
from workers.engine.health import HEALTH, check_health, memory_mib
from workers.engine.identity import incarnation, process_name
from workers.engine.leases import LeaseKeeper
from workers.engine.ledger import LEDGER, Ledger
from workers.engine.limits import Limits, script_runner
from workers.engine.meter import Vitals, watch
from workers.engine.slots import Slots
from workers.engine.steering import Steering
from workers.engine.turns import Turns
from workers.engine.writing import Writer

_CRON_AHEAD = 0.5
"""Seconds before its time at which a tick is queued, deferred to its time."""
_BEAT = 1.0
_TEND_EVERY = 300.0
_ENDING = 5.0
"""Seconds that cancelled jobs get to end."""

log = logging.getLogger(__name__)


class Worker(arq.worker.Worker):
    """Runs the jobs of one queue; takes arq's arguments and these.

    Args:
        redis_pool: as arq's; or a function that makes the pool, called when the worker starts.
        lease: seconds for which a job is held without a sign of life.
        max_crashes: runs that may end with the worker's death before a job is dead.
        prefetch: jobs claimed ahead of a free slot.
        min_jobs: slots that are always open; `max_jobs` while jobs wait. None: always `max_jobs`.
        loop_stall_limit: seconds that the event loop may stand still before the process ends.
        recycle_after: jobs after which this worker stops, to be replaced.
        recycle_above: MiB of memory above which it does.
        ledger: keeps what must outlive Redis; else the context's, if `on_startup` sets one.
        slots: shared with the workers of other queues in this process.
    """

    __signature__: ClassVar[inspect.Signature]
    turns_type: ClassVar[type[Turns]] = Turns
    seen: ClassVar[bool] = True
    """Whether it tells of itself, and can be told what to do."""

    def __init__(  # noqa: PLR0913 - arq's style: every setting is an argument
        self,
        functions: Sequence[Any] = (),
        *,
        redis_pool: ArqRedis | Callable[[], ArqRedis] | None = None,
        lease: float = 10.0,
        max_crashes: int = 3,
        prefetch: int = 0,
        min_jobs: int | None = None,
        loop_stall_limit: float = 60.0,
        recycle_after: int | None = None,
        recycle_above: float | None = None,
        ledger: Ledger | None = None,
        slots: Slots | None = None,
        **settings: Any,
    ) -> None:
        self._connect = redis_pool if not isinstance(redis_pool, ArqRedis) else None
        pool = redis_pool if isinstance(redis_pool, ArqRedis) else None
        super().__init__(functions, redis_pool=pool, **settings)
        if max_crashes < 2:
            raise ValueError(f"max_crashes is {max_crashes}; it is at least 2")
        if lease < 0.5:
            raise ValueError(f"lease is {lease}; it is at least 0.5 s")
        least = self.max_jobs if min_jobs is None else min_jobs
        if not 1 <= least <= self.max_jobs:
            raise ValueError(f"min_jobs is {min_jobs}; it is from 1 to max_jobs, {self.max_jobs}")
        if settings.get("health_check_key") is None:
            # arq's key is shared: the first worker of a queue to stop would delete it for all.
            self.health_check_key = f"{self.queue_name}{HEALTH}{process_name()}"
        self.lease = lease
        self.max_crashes = max_crashes
        self.prefetch = prefetch
        self.slots = slots or Slots(least, self.max_jobs)
        self.recycled = False
        """Whether this worker stopped to be replaced."""
        self._loop_stall_limit = loop_stall_limit
        self._recycle_after = recycle_after
        self._recycle_above = recycle_above
        self._grace_over = asyncio.Event()
        self._quiet = asyncio.Event()
        self._chores: list[asyncio.Task[None]] = []
        self.job_tasks = self.tasks
        self.turns: Turns | None = None
        if ledger is not None:
            self.ctx[LEDGER] = ledger

    @property
    def grace(self) -> float:
        """Seconds that running jobs get when the worker is told to stop."""
        return self._job_completion_wait

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._quiet.is_set()

    def run(self) -> None:
        """Run until told to stop, then shut down; this process is for nothing else."""
        settle_memory()
        super().run()

    async def main(self) -> None:
        """Serve the queue until told to stop (or, in burst mode, until it is empty)."""
        await self._open_pool()
        self.ctx["redis"] = self.pool
        if self.on_startup:
            await self.on_startup(self.ctx)
        self.turns = turns = self._make_turns()
        keeper = LeaseKeeper(
            self.pool.connection_pool,
            queue=self.queue_name,
            incarnation=turns.incarnation,
            lease=self.lease,
            stall_limit=self._loop_stall_limit,
            running=turns.held_runs,
            told=turns.told,
        )
        steering = Steering(self, turns, keeper)
        unwatch = watch(self.ctx, lambda: self._vitals(turns, keeper))
        serving = asyncio.create_task(self._serve(turns, keeper))
        steering.start()
        stopping = asyncio.create_task(self._quiet.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            stopping.cancel()
            failed = [chore for chore in self._chores if chore.done()]
            await end(*self._chores)
            await self._drain(turns, serving)
            await steering.close()
            await keeper.close()
            unwatch()
            turns.close()
            # arq's workers may run again, as `arq --watch` has them do.
            self.allow_pick_jobs = True
            self._quiet.clear()
            self._grace_over.clear()
            self._chores.clear()
        for chore in failed:
            chore.result()

    async def _serve(self, turns: Turns, keeper: LeaseKeeper) -> None:
        """Serve once Redis is there; ends by an error, or in burst mode."""
        await turns.broker.connect()
        for warning in await self._verified():
            log.warning("%s", warning)
        keeper.start()
        ticked = self.ctx.get(TICKED, ())
        self.cron_jobs = [cron for cron in self.cron_jobs if cron.name not in ticked]
        if self.cron_jobs:  # before the first claim: a burst may be over after it
            await self._tick()
        self._add_chore(self._beat(turns))
        self._add_chore(self._tend(turns))
        if self.cron_jobs:
            self._add_chore(self._cron())
        self._recycle_if_due(turns)  # before the first claim
        await turns.serve()

    async def _verified(self) -> list[str]:
        """Ask whether the server can hold queues, until it has time and room for an answer."""
        while True:
            try:
                return await verify(self.pool)
            except Unavailable as error:
                log.warning("trying on: %s", error)
                await asyncio.sleep(1)

    def _add_chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the jobs; an error of it stops the worker."""
        chore = asyncio.create_task(work)
        self._chores.append(chore)
        chore.add_done_callback(lambda _: self._quiet.set())

    async def _open_pool(self) -> None:
        if self._pool is None and self._connect is not None:
            self._pool = self._connect()
        if self._pool is None:
            self._pool = await create_pool(
                self.redis_settings,
                job_deserializer=self.job_deserializer or deserialize,
                job_serializer=self.job_serializer or serialize,
                default_queue_name=self.queue_name,
                expires_extra_ms=self.expires_extra_ms,
            )

    def _make_turns(self) -> Turns:
        writer = Writer(
            None if self.job_serializer is serialize else self.job_serializer,
            None if self.job_deserializer is deserialize else self.job_deserializer,
            self.queue_name,
            int(self.keep_result_s * 1000),
            keep_forever=self.keep_result_forever,
        )
        turns = self.turns_type(self, incarnation())

        limits = Limits(script_runner(self.pool), self.queue_name)
        executor = Executor(
            self.functions,
            self.ctx,
            writer,
            clock=turns.broker.clock,
            hooks=(self.on_job_start, self.on_job_end, self.after_job_end),
            acquire=turns.acquire,
            started=turns.started,
            unmark=turns.unmark,
            arm=turns.arm,
            job_timeout=self.job_timeout_s,
            max_tries=self.max_tries,
            retry_jobs=self.retry_jobs,
        )
        turns.use(executor, limits)
        return turns

    async def _drain(self, turns: Turns, serving: "asyncio.Task[None]") -> None:
        """Claim no more, give running jobs their time, give back what is left."""
        self.allow_pick_jobs = False
        over = asyncio.create_task(self._grace_over.wait())
        if turns.runs and self._quiet.is_set():
            quiet = asyncio.create_task(turns.idle())
            await asyncio.wait(
                [quiet, over],
                timeout=None if self.recycled else self.grace,
                return_when=asyncio.FIRST_COMPLETED,
            )
            quiet.cancel()
        over.cancel()
        turns.release_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING):
                await turns.idle()
        turns.abandon_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING):
                await turns.outbox.flush()
        await end(serving)

    async def _beat(self, turns: Turns) -> None:
        """Follow the load, and notice when it is time to be replaced."""
        while True:
            self._recycle_if_due(turns)
            self.slots.adapt(time.monotonic(), lambda: turns.hungry)
            turns.wake()
            await asyncio.sleep(_BEAT)

    @staticmethod
    async def _tend(turns: Turns) -> None:
        """Every few minutes look after what stock clients leave behind."""
        while True:
            await asyncio.sleep(_TEND_EVERY)
            offset = await turns.broker.tend(0)
            while offset:
                offset = await turns.broker.tend(offset)

    def _vitals(self, turns: Turns, keeper: LeaseKeeper) -> Vitals:
        return Vitals(
            queue=self.queue_name,
            running=len(turns.runs),
            slots=self.slots.open,
            lag=keeper.lag,
            round_trips=turns.broker.round_trips,
            lease_losses=turns.lease_losses,
        )

    def _recycle_if_due(self, turns: Turns) -> None:
        worn = self._recycle_after is not None and turns.started_count >= self._recycle_after
        fat = self._recycle_above is not None and memory_mib() > self._recycle_above
        if (worn or fat) and not self.recycled:
            reason = f"{turns.started_count} jobs" if worn else f"{memory_mib():.0f} MiB"
            log.info("this worker is replaced after %s", reason)
            self.recycled = True
            self.allow_pick_jobs = False
            self._quiet.set()

    async def _cron(self) -> None:
        while True:
            pause = await self._tick()
            await asyncio.sleep(pause)

    async def _tick(self) -> float:
        """Queue each tick a little before its time, by arq's own rules and ids.

        Returns the seconds until the next look.
        """
        now = datetime.now(tz=self.timezone)
        planned = [cron.next_run for cron in self.cron_jobs]
        try:
            await self.run_cron(now, _CRON_AHEAD)
        except (RedisError, OSError) as error:
            log.warning("cron waits for Redis: %s", error)
            for cron, tick in zip(self.cron_jobs, planned, strict=True):
                cron.next_run = tick  # asked again, under the same id
            return _BEAT
        following = [cron.next_run for cron in self.cron_jobs if cron.next_run is not None]
        soonest = min(following, default=now + timedelta(seconds=60))
        return max(0.05, (soonest - now).total_seconds() - _CRON_AHEAD)

    def be_quiet(self) -> None:
        """Claim nothing more; running jobs go on."""
        self.allow_pick_jobs = False
        if self.turns is not None:
            self.turns.wake()  # what was claimed ahead is given back

    def be_loud(self) -> None:
        """Claim again, unless it stops."""
        if self.turns is not None and not self.stopping:
            self.allow_pick_jobs = True
            self.turns.wakes.feed()

    def handle_sig(self, signum: Signals) -> None:
        """Stop: quiet, then wait for running jobs, then release; a second signal releases now."""
        if self._quiet.is_set():
            self._grace_over.set()
        log.info("stopping on %s; %d jobs run", Signals(signum).name, len(self.tasks))
        self.allow_pick_jobs = False
        self._quiet.set()
        if self.on_stop:
            self.on_stop(Signals(signum))

    def handle_sig_wait_for_completion(self, signum: Signals) -> None:
        """Stop, as `handle_sig`; the wait is `job_completion_wait`."""
        self.handle_sig(signum)

    async def close(self) -> None:
        """Shut down and disconnect, also when Redis is away."""
        if self.main_task is not None and not self.main_task.done():
            self.handle_sig(signal.SIGUSR1)
            self._grace_over.set()
            await asyncio.wait([self.main_task])
        if self._pool is None:
            return
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # the key expires by itself
            async with asyncio.timeout(1):
                await self.pool.delete(self.health_check_key)
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)
        await self.pool.aclose(close_connection_pool=True)
        self._pool = None


def _settings() -> inspect.Signature:
    """Return arq's arguments and ours: arq reads here which settings a class may have."""
    known = inspect.signature(arq.worker.Worker).parameters
    ours = inspect.signature(Worker.__init__).parameters
    added = [p for n, p in ours.items() if n not in known and p.kind is p.KEYWORD_ONLY]
    return inspect.Signature([*known.values(), *added])


Worker.__signature__ = _settings()


def install() -> None:
    """Make `arq workers.<queue>.WorkerSettings [--check]` use ours: arq has no setting for it."""
    arq.worker.Worker = Worker  # type: ignore[misc] # the one documented place
    arq.cli.check_health = check_health  # type: ignore[attr-defined, assignment] # likewise
