"""A worker that takes one job and is killed while it runs: dying_worker.py REDIS_URL

It prints a line once the job runs.
"""

import asyncio
import sys
from typing import Any

from service.queue import connect, queue_key
from tests.monitoring.helpers import measured
from workers.engine import Worker, run


async def never_end(_: Any, seconds: float = 0, fail: bool = False) -> None:
    """Say that the job runs, and wait."""
    sys.stdout.write("running\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def main(url: str) -> None:
    """Serve the queue."""
    functions = [run(measured, never_end)]
    worker = Worker(
        functions,
        queue_name=queue_key("publishing"),
        redis_pool=lambda: connect(url),
        handle_signals=False,
        lease=0.5,
    )
    await worker.async_run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
