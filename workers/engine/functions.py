"""A declared job and its coroutine become a function that arq's and our workers run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from arq.worker import Function

from service.queue import DecodeError, JobType
from service.queue.headers import LIMITS

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


class Limits(msgspec.Struct, frozen=True):
    """What one job states instead of its declaration; None leaves that. Times in seconds."""

    timeout: float | None = None
    tries: int | None = None
    delay: float | None = None
    factor: float | None = None
    cap: float | None = None
    jitter: float | None = None


def limited(function: JobFunction, headers: Mapping[str, str]) -> JobFunction:
    """Return the function with the limits that a job's headers state; raise DecodeError."""
    if LIMITS not in headers or function.job is None:
        return function
    job = function.job
    try:
        limits = msgspec.json.decode(headers[LIMITS], type=Limits)
        stated = {k: v for k, v in msgspec.structs.asdict(limits).items() if v is not None}
        timeout = stated.pop("timeout", job.timeout)
        retry = replace(job.retry, **stated)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"its header {LIMITS!r} cannot be read: {error}") from error
    soft = job.soft_timeout if job.soft_timeout and job.soft_timeout < timeout else None
    own = replace(job, timeout=timeout, soft_timeout=soft, retry=retry)
    return replace(function, timeout_s=timeout, max_tries=retry.tries, job=own)
