"""Celery's side of `benchmarks.workflows`: a worker, or chords on demand.

python -m benchmarks.peers.celery_chord URL             serves, one child per core
python -m benchmarks.peers.celery_chord URL MEMBERS     runs a chord for each line it reads
"""

import os
import sys
import time
from typing import Any

import celery


def _app(url: str) -> tuple[Any, Any, Any]:
    app = celery.Celery("bench", broker=url, backend=url)
    app.conf.update(
        worker_prefetch_multiplier=100,
        worker_disable_rate_limits=True,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        result_expires=3600,
    )
    return app, app.task(_number, name="number"), app.task(_total, name="total")


def _number(number: int) -> int:
    return number


def _total(numbers: list[int]) -> int:
    return sum(numbers)


def main(url: str, members: int = 0) -> None:
    """Serve, or run chords."""
    app, number, total = _app(url)
    if not members:
        quiet = ["--loglevel=WARNING", "--without-gossip", "--without-mingle"]
        app.worker_main(["worker", *quiet, "--without-heartbeat", "-c", str(os.cpu_count())])
        return
    celery.chord([number.s(n) for n in range(3)])(total.s()).get(timeout=60)
    for _ in sys.stdin:
        began = time.perf_counter()
        found = celery.chord([number.s(n) for n in range(members)])(total.s()).get(timeout=300)
        assert found == sum(range(members))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
