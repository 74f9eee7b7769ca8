"""arq's own worker on the same queue: python -m tests.chaos.engine.stock_program OPTIONS."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import msgspec
from arq import func
from arq.connections import ArqRedis
from arq.worker import Function, Worker
from redis.asyncio import ConnectionPool

from service.queue import queue_key
from service.queue.codec import deserialize, serialize
from tests.chaos.engine import bodies, jobs
from tests.chaos.engine.ledger import Ledger
from tests.chaos.engine.options import Options
from tests.chaos.engine.worker_program import started, stopped

TIMEOUT = 5
"""Seconds a job may take; a dead stock worker holds its jobs for ten seconds longer."""


def functions() -> list[Function]:
    """Return the plain function and the coroutines of declared jobs, as arq mounts them."""
    return [
        func(bodies.plain, name="plain", timeout=TIMEOUT),
        func(bodies.work, name=jobs.work.name, timeout=TIMEOUT),
    ]


def main(text: str) -> None:
    """Run until SIGTERM, or until killed."""
    options = msgspec.json.decode(text, type=Options)
    logging.basicConfig(level=logging.INFO, format=f"{os.getpid()} %(name)s %(message)s")
    asyncio.set_event_loop(asyncio.new_event_loop())
    codec = (None, None) if options.pickle else (serialize, deserialize)
    Worker(
        functions(),
        queue_name=queue_key(jobs.QUEUE),
        redis_pool=ArqRedis(ConnectionPool.from_url(options.redis_url), *codec),
        max_jobs=options.slots,
        poll_delay=0.1,
        allow_abort_jobs=True,
        on_startup=started,
        on_shutdown=stopped,
        ctx={"witness": Ledger(Path(options.ledger))},
        job_serializer=codec[0],
        job_deserializer=codec[1],
    ).run()


if __name__ == "__main__":
    main(sys.argv[1])
