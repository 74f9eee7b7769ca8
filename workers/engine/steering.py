"""What a worker tells of itself, and what it is told: presence and commands."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec
from redis.exceptions import RedisError

from service.queue import presence
from service.queue.control import KEPT_MS, Answer, Order, read_orders
from service.queue.instants import from_ms
from service.queue.presence import Address, RunningJob, WorkerView
from workers.engine.health import memory_mib
from workers.engine.identity import process_name
from workers.engine.leases import LeaseKeeper
from workers.engine.running import Running, Stop
from workers.engine.turns import Turns

if TYPE_CHECKING:
    from workers.engine.worker import Worker

_BEAT = 1.0
"""Seconds between two looks whether there is something to tell."""
_SHOWN_AFTER_MS = 1000
"""For which a job must have run to be told of: most are over before anybody looks."""
_ORDERS = 10
_DONE: dict[str, Literal["pong", "quiet", "running", "stopping"]] = {
    "ping": "pong",
    "quiet": "quiet",
    "resume": "running",
    "shutdown": "stopping",
}

log = logging.getLogger(__name__)


class Steering:
    """Tells of one worker while it runs, and obeys what it is told.

    Args:
        worker: of whom.
        turns: what it holds.
        keeper: knows how late its event loop is.
    """

    def __init__(self, worker: "Worker", turns: Turns, keeper: LeaseKeeper) -> None:
        self._worker = worker
        self._turns = turns
        self._keeper = keeper
        self._address = Address(worker.queue_name, process_name())
        self._started = time.monotonic()
        self._told: WorkerView | None = None
        self._told_at = 0.0
        self._health_at = -worker.health_check_interval
        self._telling: asyncio.Task[None] | None = None
        self._obeying = self._heard = False

    def start(self) -> None:
        """Begin to tell and to listen, if this worker is to be seen."""
        if self._worker.seen:
            self._turns.listener = self._hear
            self._telling = asyncio.create_task(self._tell_on())

    async def close(self) -> None:
        """Be forgotten: this worker stops."""
        if self._telling is None:
            return
        self._turns.listener = lambda _: None
        while not self._telling.done():
            self._telling.cancel()
            await asyncio.wait([self._telling], timeout=0.2)
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # it is missed soon
            async with asyncio.timeout(1):
                await presence.forget(self._worker.pool, self._address)

    async def _tell_on(self) -> None:
        while True:
            if self._due():
                with contextlib.suppress(RedisError, OSError):  # said again next time
                    await self._tell()
            if not self._turns.broker.tracking:
                self._hear(frozenset())
            await asyncio.sleep(_BEAT)

    async def _tell(self) -> None:
        """Say that the worker lives and, unless nothing has changed, how it is."""
        now, worker = time.monotonic(), self._worker
        view, healthy = self._view(now), self._health_due(now)
        queued = await worker.pool.zcard(worker.queue_name) if healthy else 0
        async with worker.pool.pipeline(transaction=False) as pipe:
            if news := self._is_news(view):
                presence.tell(pipe, self._address, view)
            else:
                presence.beat(pipe, self._address, view.seen_at)
            if healthy:
                expiry = int((worker.health_check_interval + 1) * 1000)
                pipe.set(worker.health_check_key, self._health(view, queued), px=expiry)
            new = (await pipe.execute())[0]
        self._told_at = now
        if healthy:
            self._health_at = now
        if news:
            self._told = view
        elif new:  # Redis has lost what it was told
            self._told = None

    def _is_news(self, view: WorkerView) -> bool:
        """Whether a worker is another than it has told, or has not told for long."""
        told = self._told
        if told is None or (view.seen_at - told.seen_at).total_seconds() >= presence.TOLD_EVERY:
            return True
        before, after = (_changing(each) for each in (told, view))
        return before != after

    def _hear(self, keys: frozenset[str]) -> None:
        if keys and self._address.control not in keys:
            return
        self._heard = True
        if not self._obeying:
            self._obeying = True
            self._turns.outbox.later(self._obey_all())

    async def _obey_all(self) -> None:
        """Obey what is there; the last look listens for more."""
        control, broker = self._address.control, self._turns.broker
        try:
            while self._heard:
                self._heard = False
                while await broker.call("EXISTS", control):
                    texts = await broker.call("LPOP", control, _ORDERS)
                    for order in read_orders(texts or [], broker.clock.now_ms()):
                        await self._obey(order)
        except (RedisError, OSError) as error:
            log.warning("a command may be lost: %s", error)
        finally:
            self._obeying = False

    async def _obey(self, order: Order) -> None:
        worker = self._worker
        log.info("told to %s by %s", order.command, order.by)
        if order.command == "quiet":
            worker.be_quiet()
        elif order.command == "resume":
            worker.be_loud()
        elif order.command == "shutdown" and not worker.stopping:  # no second signal
            worker.handle_sig(signal.SIGTERM)
        said = "stopping" if worker.stopping else _DONE[order.command]
        answer = Answer(self._address.name, said, self._keeper.lag * 1000, len(self._turns.runs))
        async with worker.pool.pipeline(transaction=False) as pipe:
            pipe.rpush(order.reply, msgspec.json.encode(answer))
            pipe.pexpire(order.reply, KEPT_MS)
            await pipe.execute()
        await self._tell()

    def _due(self) -> bool:
        """Whether it is time for a sign of life, or what is told is no longer so."""
        told, now = self._told, time.monotonic()
        if told is None or now - self._told_at >= presence.EVERY or self._health_due(now):
            return True
        running = [_running(run) for run in self._shown()]
        return (told.state, told.running) != (self._state, running)

    def _health_due(self, now: float) -> bool:
        return now - self._health_at >= self._worker.health_check_interval

    @property
    def _state(self) -> Literal["running", "quiet"]:
        return "running" if self._worker.allow_pick_jobs else "quiet"

    def _shown(self) -> list[Running]:
        since = self._turns.broker.clock.now_ms() - _SHOWN_AFTER_MS
        runs = [run for run in self._turns.held_runs() if 0 < run.started_ms <= since]
        return sorted(runs, key=lambda run: (run.started_ms, run.job_id))[: presence.MOST_SHOWN]

    def _view(self, now: float) -> WorkerView:
        worker, turns = self._worker, self._turns
        now_ms = turns.broker.clock.now_ms()
        lost = any(run.stop is Stop.LOST and not run.ended for run in turns.held_runs())
        return WorkerView(
            name=self._address.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            queue=presence.queue_name(worker.queue_name),
            state=self._state,
            started_at=from_ms(int(now_ms - (now - self._started) * 1000)),
            seen_at=from_ms(int(now_ms)),
            open=worker.slots.open,
            most=worker.slots.most,
            running=[_running(run) for run in self._shown()],
            busy=len(turns.runs),
            done=worker.jobs_complete,
            failed=worker.jobs_failed,
            retried=worker.jobs_retried,
            memory_mib=round(memory_mib(), 1),
            loop_lag_ms=round(self._keeper.lag * 1000, 1),
            lease="lost" if lost else "held",
            leases_lost=turns.lease_losses,
            lease_s=worker.lease,
            functions=sorted(worker.functions),
            load_average=_load_average(),
            incarnation=turns.incarnation,
        )

    def _health(self, view: WorkerView, queued: int) -> str:
        """Return arq's text, and more."""
        return (
            f"{datetime.now():%b-%d %H:%M:%S} j_complete={view.done} "  # noqa: DTZ005 - as arq
            f"j_failed={view.failed} j_retried={view.retried} "
            f"j_ongoing={view.busy} queued={queued} slots={view.open} "
            f"memory_mib={view.memory_mib:.0f} loop_lag_ms={view.loop_lag_ms:.0f} "
            f"zombies={self._turns.zombies}"
        )


def _running(run: Running) -> RunningJob:
    return RunningJob(
        id=run.job_id,
        name=run.name,
        started_at=from_ms(run.started_ms),
        tries=run.job_try,
        actor=run.record.headers.get("actor") if run.record else None,
    )


def _changing(view: WorkerView) -> tuple[object, ...]:
    """Return what of a worker is worth telling; its memory and load change all the time."""
    counts = (view.busy, view.done, view.failed, view.retried, view.leases_lost, view.open)
    return (view.state, view.lease, view.running, *counts)


def _load_average() -> list[float]:
    try:
        return [round(load, 2) for load in os.getloadavg()]
    except (AttributeError, OSError):
        return []
