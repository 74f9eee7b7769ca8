"""Spans of jobs: sending some, and running one, which hangs below what sent it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from service.kit import tracing
from service.kit.context import set_to
from service.kit.tracing import Place, Span
from service.queue.call import JobCall
from service.queue.codec import Record
from service.queue.headers import HEADERS, SPAN, TRACE, as_trace, trace_of

_PREFIX = "almanac:"
_IS_SPAN = re.compile("(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@contextmanager
def sending(calls: Sequence[JobCall]) -> Iterator[None]:
    """Record a batch of calls that is written down and sent in the block as one span."""
    if not tracing.on() or not calls:
        yield
        return
    names = {call.name for call in calls}
    with sending_as(names.pop() if len(names) == 1 else "jobs", calls[0].queue, len(calls)):
        yield


@contextmanager
def sending_as(name: str, queue: str, count: int = 1) -> Iterator[None]:
    """Record so many jobs of this name and queue that are sent in the block as one span."""
    headers = HEADERS.get()
    parent = _sender(headers, "") if TRACE in headers else None
    attributes = _attributes("send", queue) | {"messaging.batch.message_count": count}
    with tracing.span("producer", f"send {name}", attributes, parent) as span:
        if span is None:
            yield
            return
        trace, position = span.place
        with set_to(HEADERS, {**headers, TRACE: trace, SPAN: position}):
            yield


def running(
    record: Record, queue: str, job_id: str, *, tries: int, wait_ms: int
) -> AbstractContextManager[Span | None]:
    """Record the run of a job.

    Args:
        record: the job.
        queue: name or key of its queue.
        job_id: its id.
        tries: number of this run.
        wait_ms: milliseconds from when it was due until it began.
    """
    attributes = _attributes("process", queue) | {
        "messaging.message.id": job_id,
        "almanac.try": tries,
        "almanac.wait_ms": wait_ms,
    }
    parent = _sender(record.headers, job_id)
    return tracing.span("consumer", f"run {record.function}", attributes, parent)


def _sender(headers: Mapping[str, str], job_id: str) -> Place:
    span = headers.get(SPAN, "")
    return Place(as_trace(trace_of(job_id, headers)), span if _IS_SPAN.fullmatch(span) else "")


def _attributes(operation: str, queue: str) -> dict[str, str | int]:
    return {
        "messaging.system": "almanac",
        "messaging.operation.type": operation,
        "messaging.destination.name": queue.removeprefix(_PREFIX),
    }
