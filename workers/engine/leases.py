"""Leases are renewed from a thread, so that a blocked event loop loses none, nor hides."""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from service.queue.link import Link, Script
from workers.engine.broker import LARGEST_BATCH, Held, renew
from workers.engine.limits import SCRIPT as LIMITS_SCRIPT
from workers.engine.limits import Want, renewal
from workers.engine.running import Running, Stop

STALLED = 70
"""Exit code of a process whose event loop stood still for too long."""
_STOPS = {0: Stop.LOST, 2: Stop.CANCELLED}
"""What renew.lua's codes mean for a run."""
_LIMITS = Script.of(LIMITS_SCRIPT)
_BLOCKED = 1.0
"""Seconds between two beats of the loop, beyond one second, that are worth a warning."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews the leases of a worker every third of their length.

    A job is renewed only until its hard limit and a little, and only while the event loop beats:
    a thread that vouched for a dead loop would keep its jobs from everybody for ever.

    Args:
        pool: whose settings the thread's own connection has.
        queue: key of the queue.
        incarnation: signs the claims.
        lease: seconds.
        stall_limit: seconds without a beat after which the process ends.
        running: the jobs that run now; read from the thread.
        told: called in the event loop with a job and why it must stop.
    """

    def __init__(  # noqa: PLR0913 - see Broker
        self,
        pool: ConnectionPool,
        *,
        queue: str,
        incarnation: str,
        lease: float,
        stall_limit: float,
        running: Callable[[], Sequence[Running]],
        told: Callable[[Running, Stop], None],
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._incarnation = incarnation
        self._lease = lease
        self._stall_limit = stall_limit
        self._running = running
        self._told = told
        self._main = asyncio.get_running_loop()
        self._beat = time.monotonic()
        self._beating: asyncio.TimerHandle | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self.lag = 0.0
        """The longest that the loop was late for a beat lately, in seconds."""

    def start(self) -> None:
        """Start the thread and the loop's beat."""
        self._tick()
        self._thread.start()

    async def close(self) -> None:
        """Stop both."""
        self._stop.set()
        if self._beating is not None:
            self._beating.cancel()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _tick(self) -> None:
        now = time.monotonic()
        self.lag = max(self.lag * 0.9, now - self._beat - 1, 0.0)
        self._beat = now
        self._beating = self._main.call_later(1, self._tick)

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        link: Link | None = None
        reported = 0.0
        pause = self._lease / 3
        while not await asyncio.to_thread(self._stop.wait, pause):
            blocked = time.monotonic() - self._beat - 1
            if blocked > self._stall_limit:
                _die(blocked)
            if blocked > _BLOCKED and self._beat != reported:
                reported = self._beat
                log.warning("the event loop is blocked since %.1f s; see docs/engine.md", blocked)
            if not (runs := [run for run in self._running() if run.renewable]):
                continue
            try:
                if link is None or link.lost.done():
                    link = await Link.open(self._pool, patience=self._lease / 3)
                await self._renew(link, runs)
            except (RedisError, OSError) as error:
                log.warning("leases could not be renewed: %s", error)
                pause = min(self._lease / 3, 0.25)
            else:
                pause = self._lease / 3
        if link is not None:
            link.close()

    async def _renew(self, link: Link, runs: Sequence[Running]) -> None:
        held: list[Held] = [run.held for run in runs]
        codes = await renew(link.script, self._queue, self._incarnation, self._lease, held)
        for run, code in zip(runs, codes, strict=True):
            if code in _STOPS and not run.ended:
                why = _STOPS[code]
                self._main.call_soon_threadsafe(self._told, run, why)
        wants: list[Want] = [run.want for run in runs if run.want is not None]
        for start in range(0, len(wants), LARGEST_BATCH):
            arguments = renewal(wants[start : start + LARGEST_BATCH], int(self._lease * 1000))
            if arguments is not None:
                await link.script(_LIMITS, [self._queue], arguments)


def _die(blocked: float) -> None:
    sys.stderr.write(f"The event loop stood still for {blocked:.0f} s; this worker ends.\n")
    faulthandler.dump_traceback(all_threads=True)
    sys.stderr.flush()
    os._exit(STALLED)
