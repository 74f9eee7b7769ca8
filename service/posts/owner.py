"""The deliveries behind `posts.publish`: what an operator does to a job is done to its row."""

import logging
from collections.abc import Awaitable, Callable

from service.access.caller import Caller
from service.errors import Conflict, NotFound
from service.posts import actions
from service.posts.desk import Desk
from service.queue import JobView, QueueClient
from service.runtime import Runtime

log = logging.getLogger(__name__)


class DeliveryOwner:
    """Cancels and replays deliveries in the stead of their jobs.

    Args:
        runtime: where the rows are.
        caller: who asks, and may only touch what the caller may see.
    """

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime, self._caller = runtime, caller

    async def cancel(self, client: QueueClient, view: JobView) -> bool:
        """Cancel the delivery; the job that stays in the queue matches no row any more."""
        return await self._try(actions.cancel_publish_job, view.job_id)

    async def replay(self, client: QueueClient, view: JobView) -> bool:
        """Publish the delivery again, by the job of its next version."""
        return await self._try(actions.replay_publish_job, view.job_id)

    async def _try(self, action: Callable[[Desk, str], Awaitable[None]], job_id: str) -> bool:
        try:
            async with self._runtime.unit_of_work() as uow:
                await action(Desk.of(self._runtime, uow, self._caller), job_id)
        except (Conflict, NotFound) as refusal:
            log.info("job %s is left as it is: %s", job_id, refusal.message)
            return False
        return True
