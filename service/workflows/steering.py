"""What happens to workflows beside requests and jobs: the queue is told, lost ends are found."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from redis.exceptions import RedisError

from service.access.caller import Caller
from service.queue import QueueClient, cancel_queued
from service.runtime import Runtime
from service.workflows import actions

PAGE = 200
"""Lost ends that are recorded in one transaction."""
AT_ONCE = 20
"""Jobs that the queue is told of at the same time."""

log = logging.getLogger(__name__)


async def cancel(runtime: Runtime, caller: Caller, workflow_id: UUID) -> None:
    """Cancel a run, and its jobs in the queue; raises as `actions.cancel`.

    While the queue is away its jobs end by their rows: those that wait do not start.
    """
    async with runtime.unit_of_work() as uow:
        jobs = await actions.cancel(uow, caller, workflow_id)
    try:
        for start in range(0, len(jobs), AT_ONCE):
            await _cancel(runtime.queue, jobs[start : start + AT_ONCE])
    except (RedisError, OSError) as error:
        log.warning("queue away, jobs of workflow %s run to their end: %s", workflow_id, error)


async def _cancel(client: QueueClient, jobs: Sequence[str]) -> None:
    await asyncio.gather(*(cancel_queued(client, job_id) for job_id in jobs))


async def sweep(runtime: Runtime) -> int:
    """Move workflows on whose jobs ended without a worker of ours; return how many jobs."""
    count = 0
    while True:
        async with runtime.unit_of_work() as uow:
            found = await actions.recover(uow, PAGE)
        count += found
        if found < PAGE:
            return count
