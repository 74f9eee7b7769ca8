"""A declared job and its coroutine become a function that arq's and our workers run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from arq.worker import Function

from service.queue import JobType

Context = dict[Any, Any]
"""arq's `ctx`: what `on_startup` put there, and `job_id`, `job_try`, `enqueue_time`, `score`."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class JobFunction(Function):
    """arq's Function that also knows its declaration."""

    job: JobType[..., Any] | None = None


def run(job: JobType[P, R], coroutine: Callable[Concatenate[Context, P], Awaitable[R]]) -> Function:
    """Return the function of a declared job.

    Its policy is the engine's to keep. A stock arq worker that serves the queue in an emergency
    gets what arq understands of it: the time limit, the number of tries, how long a result stays.
    """
    return JobFunction(
        name=job.name,
        coroutine=coroutine,  # type: ignore[arg-type] # arq wants a Protocol with *args and **kwargs
        timeout_s=job.timeout,
        keep_result_s=job.keep_result,
        keep_result_forever=False,
        max_tries=job.retry.tries,
        job=job,
    )
