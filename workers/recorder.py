"""The recorder as a loop of the maintenance process."""

import asyncio

from service.monitoring.recording import Recorder
from service.queue.events import stream_key
from service.runtime import Runtime

LOCK = 0x616C6D08
"""PostgreSQL's advisory lock of whoever records."""
GATHER = 0.25
"""Seconds in which events gather after the first of them, so that one transaction writes many."""
LOOK = 5.0
"""Seconds between two looks when nothing is heard."""


async def serve(runtime: Runtime) -> None:
    """Record the events of all queues as they come."""
    recorder = Recorder(runtime)
    streams = map(stream_key, recorder.queues)
    async with runtime.queue.job_watch.keys(*streams) as changes:
        while True:
            await changes.arm()
            turn = await recorder.turn()
            if not turn.more:
                await changes.sleep(LOOK)
                await asyncio.sleep(GATHER)
