"""A worker process: python -m tests.chaos.engine.worker_program OPTIONS (JSON of `Options`)."""

import asyncio
import functools
import logging
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import time_machine
from arq import func
from arq.worker import Function

from service.queue import connect, queue_key
from service.queue.codec import deserialize, serialize
from tests.chaos.engine import bodies, jobs
from tests.chaos.engine.ledger import Ledger
from tests.chaos.engine.options import Options
from workers.engine import Worker, run

TICK = 0.01
"""Seconds between two looks at the event loop."""


def functions(*, newer: bool) -> list[Function]:
    """Return what this worker runs: declared jobs, and one function of arq's own kind."""
    known = [
        run(jobs.work, bodies.work),
        run(jobs.block, bodies.block),
        run(jobs.poison, bodies.poison),
        run(jobs.limited, bodies.limited),
        run(jobs.flaky, bodies.flaky),
        run(jobs.stubborn, bodies.stubborn),
        run(jobs.odd, bodies.odd),
        func(bodies.plain, name="plain"),
    ]
    return [*known, run(jobs.newer, bodies.newer)] if newer else known


async def started(ctx: dict[Any, Any]) -> None:
    """Say so in the ledger, and watch the loop."""
    ctx["witness"].note("ready")
    ctx["watch"] = asyncio.create_task(_watch(ctx["witness"]))


async def stopped(ctx: dict[Any, Any]) -> None:
    """Say so in the ledger."""
    ctx["watch"].cancel()
    ctx["witness"].note("stopped")


async def _watch(ledger: Ledger) -> None:
    """Note each time that the loop was held up for longer than before."""
    loop, worst = asyncio.get_running_loop(), 0.05
    while True:
        before = loop.time()
        await asyncio.sleep(TICK)
        late = loop.time() - before - TICK
        if late > worst:
            worst = late
            ledger.note("stall", number=int(late * 1000))


def skew_clock(seconds: float) -> None:
    """Set this process's wall clock ahead; time.monotonic stays."""
    clock = time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)
    traveller = clock.start()
    signal.signal(signal.SIGUSR2, lambda *_: traveller.shift(timedelta(hours=-1)))


def make_worker(options: Options, ledger: Ledger, *, alone: bool) -> Worker:
    """Return a worker with these options."""
    return Worker(
        functions(newer=options.newer),
        queue_name=queue_key(jobs.QUEUE),
        redis_pool=functools.partial(connect, options.redis_url),
        max_jobs=options.slots,
        lease=options.lease,
        max_crashes=options.max_crashes,
        loop_stall_limit=options.loop_stall_limit,
        job_completion_wait=options.grace,
        allow_abort_jobs=True,
        handle_signals=alone,
        on_startup=started,
        on_shutdown=stopped,
        ctx={"witness": ledger},
        job_serializer=serialize,
        job_deserializer=deserialize,
    )


async def run_many(options: Options, ledger: Ledger) -> None:
    """Run several workers in this process until it is killed."""
    workers = [make_worker(options, ledger, alone=False) for _ in range(options.instances)]
    await asyncio.gather(*(worker.async_run() for worker in workers))


def main(text: str) -> None:
    """Run until SIGTERM, or until killed."""
    options = msgspec.json.decode(text, type=Options)
    logging.basicConfig(level=logging.INFO, format=f"{os.getpid()} %(name)s %(message)s")
    if options.skew:
        skew_clock(options.skew)
    ledger = Ledger(Path(options.ledger))
    if options.instances > 1:
        asyncio.run(run_many(options, ledger))
    else:
        asyncio.set_event_loop(asyncio.new_event_loop())
        make_worker(options, ledger, alone=True).run()


if __name__ == "__main__":
    main(sys.argv[1])
