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
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, get_type_hints

import msgspec

from service.queue.names import queue_key
from service.queue.values import decoder

P = ParamSpec("P")
R = TypeVar("R")
History = Literal["all", "failures", "none"]

_JOB_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_declared: dict[str, "JobType[..., Any]"] = {}


class JobCall(msgspec.Struct, frozen=True):
    """One job to be sent: a function by name with its arguments.

    `job_id` makes it unique, else it gets a random one; `run_at` (aware) is when it may start, else
    at once; `headers` travel beside the arguments. Raises ValueError for a naive `run_at`.
    """

    name: str
    queue: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    job_id: str | None = None
    run_at: datetime | None = None
    headers: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise ValueError(f"run_at {self.run_at} of job {self.name} has no time zone")

    def deferred(self, until: datetime | None = None, job_id: str | None = None) -> "JobCall":
        """Return the same call with another time to start and, where given, another id."""
        return msgspec.structs.replace(self, run_at=until, job_id=job_id or self.job_id)


@dataclass(frozen=True, slots=True, eq=False)
class JobType(Generic[P, R]):
    """A declared job. Calling it checks the arguments and makes a JobCall."""

    name: str
    queue: str
    coroutine: str
    """Dotted path of the coroutine that does the work."""
    timeout: float
    """Seconds a run may take."""
    keep_result: float
    """Seconds the result stays readable in Redis; 0 keeps none."""
    max_tries: int
    history: History
    doc: str
    signature: inspect.Signature
    parameters: Mapping[str, msgspec.json.Decoder[Any]]
    """The decoder of each argument's declared type, in the order of the parameters."""
    result: msgspec.json.Decoder[R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> JobCall:
        """Make the call; raise TypeError when an argument is missing or unknown."""
        if not args and kwargs.keys() == self.parameters.keys():
            return JobCall(self.name, self.queue, kwargs=kwargs)  # as bind finds, in a tenth
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        return JobCall(self.name, self.queue, kwargs=bound.arguments)


def job(  # noqa: PLR0913 - each argument is one property of the declaration
    name: str,
    *,
    queue: str,
    coroutine: str,
    timeout: float = 3600,
    keep_result: float = 3600,
    max_tries: int = 5,
    history: History = "all",
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], JobType[P, R]]:
    """Declare a job by decorating an async stub that has its parameters, without arq's `ctx`.

    Args:
        name: `domain.verb`, the function's name in arq.
        queue: name of the queue, without prefix.
        coroutine: dotted path of the coroutine that does the work.
        timeout: seconds a run may take.
        keep_result: seconds the result stays readable; 0 keeps none.
        max_tries: runs at most, the first one included.
        history: which ends the history keeps: `all`, `failures` or `none`.

    Raises ValueError for a name that is malformed or taken, TypeError for a stub that JSON cannot
    serve: not async, without docstring, a parameter without annotation, positional-only or
    variadic, or of a type whose values JSON cannot tell apart.
    """
    if not _JOB_NAME.fullmatch(name):
        raise ValueError(f"job name {name!r}: it must be domain.verb, lowercase, as posts.publish")
    if name in _declared:
        raise ValueError(f"job {name} is declared twice; names are unique")
    queue_key(queue)

    def declare(stub: Callable[P, Coroutine[Any, Any, R]]) -> JobType[P, R]:
        signature = _checked_signature(name, stub)
        hints = get_type_hints(stub, include_extras=True)
        job_type: JobType[P, R] = JobType(
            name=name,
            queue=queue,
            coroutine=coroutine,
            timeout=timeout,
            keep_result=keep_result,
            max_tries=max_tries,
            history=history,
            doc=inspect.getdoc(stub) or "",
            signature=signature,
            parameters={key: decoder(hints[key]) for key in signature.parameters},
            result=decoder(hints["return"]),
        )
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
