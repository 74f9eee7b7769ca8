"""A declared job and its coroutine become a function that arq runs."""

import asyncio
import functools
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from arq import Retry
from arq.worker import Function, func

from service.queue import JobState, JobType

Context = dict[Any, Any]
"""arq's `ctx`: what `on_startup` put there, and `job_id`, `job_try`, `enqueue_time`."""
P = ParamSpec("P")
R = TypeVar("R")
HARD_LIMIT_MARGIN = 1
"""Seconds between our own time limit, which is recorded, and arq's, which is not."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's end, for whoever keeps the history."""

    job_id: str
    job: JobType[..., Any]
    arguments: dict[str, Any]
    state: JobState
    tries: int
    enqueued_at: datetime
    started_at: datetime
    finished_at: datetime
    result: object = None
    error: BaseException | None = None

    @property
    def traceback(self) -> str | None:
        """The error's traceback as text."""
        return "".join(traceback.format_exception(self.error)) if self.error else None


Recorder = Callable[[Finished], Awaitable[None]]
"""Keeps a job's end; found in the context under `record`."""


def run(job: JobType[P, R], coroutine: Callable[Concatenate[Context, P], Awaitable[R]]) -> Function:
    """Return the arq function of a declared job, with its limits, logs and history."""
    signature = inspect.signature(coroutine)

    @functools.wraps(coroutine)
    async def limited(ctx: Context, *args: Any, **kwargs: Any) -> R:
        started = datetime.now(UTC)
        arguments = dict(signature.bind(ctx, *args, **kwargs).arguments)
        arguments.pop(next(iter(signature.parameters)))

        async def record(state: JobState, **end: Any) -> None:
            wanted = job.history == "all" or (job.history == "failures" and "error" in end)
            if wanted and "record" in ctx:
                await ctx["record"](_finished(ctx, job, arguments, started, state, end))

        with structlog.contextvars.bound_contextvars(job=job.name, job_id=ctx["job_id"]):
            try:
                async with asyncio.timeout(job.timeout):
                    result = await coroutine(ctx, *args, **kwargs)
            except Retry:
                raise
            except Exception as error:  # whatever a job raises is recorded, then told to arq
                log.exception("job failed")
                await record(JobState.FAILED, error=error)
                raise
            await record(JobState.SUCCEEDED, result=result)
            return result

    return func(
        limited,
        name=job.name,
        timeout=job.timeout + HARD_LIMIT_MARGIN,
        keep_result=job.keep_result,
        max_tries=job.max_tries,
    )


def _finished(  # noqa: PLR0913, PLR0917 - the parts of one record
    ctx: Context,
    job: JobType[..., Any],
    arguments: dict[str, Any],
    started: datetime,
    state: JobState,
    end: dict[str, Any],
) -> Finished:
    return Finished(
        job_id=ctx["job_id"],
        job=job,
        arguments=arguments,
        state=state,
        tries=ctx["job_try"],
        enqueued_at=ctx["enqueue_time"].astimezone(UTC),
        started_at=started,
        finished_at=datetime.now(UTC),
        **end,
    )
