"""Jobs declared once, typed: name, queue, arguments and policy.

    @job("posts.publish", queue="publishing", coroutine="workers.publishing.publish", timeout=30)
    async def publish(delivery_id: UUID, version: int) -> None:
        '''Publish one delivery…'''

    await client.enqueue(publish(delivery_id=delivery.id, version=1))

The decorated function is never run: its signature types the call, its docstring documents the job
(where it returns a value, `raise NotImplementedError` satisfies the type checker).
The coroutine that `coroutine` names has the same parameters after arq's `ctx`.
"""

import inspect
import math
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, get_type_hints

import msgspec

from service.queue.call import LANES, JobCall, Lane
from service.queue.names import queue_key
from service.queue.policy import Concurrency, Rate, RetryPolicy
from service.queue.values import decoder

P = ParamSpec("P")
R = TypeVar("R")
History = Literal["all", "failures", "none"]

_JOB_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_declared: dict[str, "JobType[..., Any]"] = {}


@dataclass(frozen=True, slots=True, eq=False)
class JobType(Generic[P, R]):
    """A declared job. Calling it checks the arguments and makes a JobCall."""

    name: str
    queue: str
    """Name of the queue, without prefix."""
    coroutine: str
    """Dotted path of the coroutine that does the work."""
    timeout: float
    """Seconds a run may take."""
    soft_timeout: float | None
    """Seconds after which a run is asked to come to an end; less than `timeout`."""
    keep_result: float
    """Seconds the result stays readable in Redis; 0 keeps none."""
    retry: RetryPolicy
    """What happens after an error."""
    rate: Rate | None
    """At most so many starts in a time."""
    concurrency: Concurrency | None
    """At most so many runs at a time."""
    lane: Lane
    """Its priority within the queue, unless the call says otherwise."""
    sensitive: bool
    """Whether arguments, result and errors are stored encrypted."""
    owner: str | None
    """Dotted path of what acts on the row that the job belongs to; see `Owner`."""
    history: History
    """Which ends the history keeps."""
    inline: bool
    """Whether the maintenance process runs it while no worker can."""
    doc: str
    signature: inspect.Signature
    parameters: Mapping[str, msgspec.json.Decoder[Any]]
    """The decoder of each argument's declared type, in the order of the parameters."""
    result: msgspec.json.Decoder[R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> JobCall:
        """Make the call; raise TypeError when an argument is missing or unknown."""
        if not args and kwargs.keys() == self.parameters.keys():
            # As bind finds, in a tenth.
            return JobCall(self.name, self.queue, kwargs=kwargs, lane=self.lane)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        return JobCall(self.name, self.queue, kwargs=bound.arguments, lane=self.lane)


def job(  # noqa: PLR0913 - each argument is one property of the declaration
    name: str,
    *,
    queue: str,
    coroutine: str,
    timeout: float = 3600,
    soft_timeout: float | None = None,
    keep_result: float = 3600,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    rate: Rate | None = None,
    concurrency: Concurrency | None = None,
    lane: Lane = "normal",
    sensitive: bool = False,
    owner: str | None = None,
    history: History = "all",
    inline: bool = False,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], JobType[P, R]]:
    """Declare a job by decorating an async stub that has its parameters, without arq's `ctx`.

    Args:
        name: `domain.verb`, the function's name in arq.
        queue: name of the queue, without prefix.
        coroutine, timeout, … inline: see `JobType`.

    Raises ValueError for a name that is malformed or taken and for values that contradict each
    other; TypeError for a stub that JSON cannot serve: not async, without docstring, a parameter
    without annotation, positional-only or variadic, or of a type whose values JSON cannot tell.
    """
    _check_name(name)
    queue_key(queue)

    def declare(stub: Callable[P, Coroutine[Any, Any, R]]) -> JobType[P, R]:
        signature = _checked_signature(name, stub)
        hints = get_type_hints(stub, include_extras=True)
        job_type: JobType[P, R] = JobType(
            name=name,
            queue=queue,
            coroutine=coroutine,
            timeout=timeout,
            soft_timeout=soft_timeout,
            keep_result=keep_result,
            retry=retry,
            rate=rate,
            concurrency=concurrency,
            lane=lane,
            sensitive=sensitive,
            owner=owner,
            history=history,
            inline=inline,
            doc=inspect.getdoc(stub) or "",
            signature=signature,
            parameters={key: decoder(hints[key]) for key in signature.parameters},
            result=decoder(hints["return"]),
        )
        _check(job_type)
        _declared[name] = job_type
        return job_type

    return declare


def declared() -> Mapping[str, JobType[..., Any]]:
    """Return every declared job by name; a view that follows later declarations."""
    return MappingProxyType(_declared)


def _checked_signature(name: str, stub: Callable[..., object]) -> inspect.Signature:
    if not inspect.iscoroutinefunction(stub) or not stub.__doc__:
        raise TypeError(f"job {name}: the stub must be an async function with a docstring")
    signature = inspect.signature(stub)
    if signature.return_annotation is inspect.Signature.empty:
        raise TypeError(f"job {name}: the stub needs a return annotation")
    for parameter in signature.parameters.values():
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"job {name}: parameter {parameter.name} needs an annotation")
        if parameter.kind not in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        ):
            raise TypeError(f"job {name}: parameter {parameter} cannot be passed by name")
    return signature


def _check_name(name: str) -> None:
    if not _JOB_NAME.fullmatch(name):
        raise ValueError(f"job name {name!r}: it must be domain.verb, lowercase, as posts.publish")
    if name in _declared:
        raise ValueError(f"job {name} is declared twice; names are unique")


def _check(job_type: JobType[..., Any]) -> None:
    """Raise ValueError, with the job and the field, when the declaration cannot hold."""
    for holds, problem in (
        (
            0 < job_type.timeout < math.inf,
            f"timeout is {job_type.timeout}; it is in seconds, more than 0",
        ),
        (
            job_type.soft_timeout is None or 0 < job_type.soft_timeout < job_type.timeout,
            f"soft_timeout is {job_type.soft_timeout}; it is more than 0 and less than timeout, "
            f"which is {job_type.timeout}",
        ),
        (
            0 <= job_type.keep_result < math.inf,
            f"keep_result is {job_type.keep_result}; it is in seconds, from 0",
        ),
        (job_type.lane in LANES, f"lane is {job_type.lane!r}; it is one of {', '.join(LANES)}"),
        (
            job_type.owner is None or _DOTTED_PATH.fullmatch(job_type.owner),
            f"owner {job_type.owner!r} is no dotted path, as service.posts.owner.DeliveryOwner",
        ),
        (
            not (job_type.inline and (job_type.owner or job_type.rate or job_type.concurrency)),
            "inline goes with no owner, rate or concurrency; it needs a row of durable_jobs, and "
            "the limits are in Redis, which is away when the job runs inline",
        ),
        (
            job_type.history == "all" or not job_type.sensitive,
            f"history is {job_type.history!r}; every run of a sensitive job is told of, for the "
            "audit log",
        ),
        *(
            (
                limit is None or limit.key is None or limit.key in job_type.parameters,
                f"{field}.key {limit and limit.key!r} names no parameter; known are: "
                f"{', '.join(job_type.parameters) or 'none'}",
            )
            for field, limit in (("rate", job_type.rate), ("concurrency", job_type.concurrency))
        ),
    ):
        if not holds:
            raise ValueError(f"job {job_type.name}: {problem}")
