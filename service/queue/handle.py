"""arq's handle of a job, whose result comes at once."""

import asyncio
import math
from typing import Any

from arq.constants import result_key_prefix
from arq.jobs import Deserializer, Job
from redis.asyncio import Redis

from service.queue.watching import Watch


class JobHandle(Job):
    """arq's `Job`; `result` and `abort` hear of the end instead of asking twice a second."""

    __slots__ = ("_watch",)

    def __init__(
        self,
        job_id: str,
        redis: Redis,
        queue: str,
        deserializer: Deserializer | None,
        watch: Watch,
    ) -> None:
        super().__init__(job_id, redis, queue, deserializer)
        self._watch = watch

    async def result(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - arq's argument
        *,
        poll_delay: float = 0.5,
        pole_delay: float | None = None,
    ) -> Any:
        """Return the result or raise the job's exception, as arq's `Job.result` documents.

        `poll_delay` matters only where the server refuses `CLIENT TRACKING`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (math.inf if timeout is None else timeout)
        async with self._watch.job(self.job_id) as changes:
            await changes.arm()
            while await self._is_open():
                if (left := deadline - loop.time()) <= 0:
                    raise TimeoutError
                await changes.sleep(left)
                await changes.arm()
        return await super().result(timeout, poll_delay=poll_delay, pole_delay=pole_delay)

    async def _is_open(self) -> bool:
        """Whether the job is in its queue and has no result."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.exists(result_key_prefix + self.job_id)
            pipe.zscore(self._queue_name, self.job_id)
            ended, score = await pipe.execute()
        return not ended and score is not None
