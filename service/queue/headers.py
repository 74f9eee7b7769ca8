"""What travels beside the arguments of every job sent from here: trace, actor and the like."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from hashlib import sha256
from types import MappingProxyType

from service.kit import tracing

HEADERS: ContextVar[Mapping[str, str]] = ContextVar("headers", default=MappingProxyType({}))
"""Headers of every job sent in this context; those of a call outrank them."""
ROW = "row"
"""Header of a durable job: the version of the row that it belongs to, under the job's id."""
TRACE = "trace"
"""Header: the trace that the job belongs to."""
SPAN = "span"
"""Header: the span that sent it, with its flags; absent where none was recorded."""
STEP = "step"
"""Header of a workflow's job: the step that it runs."""
LIMITS = "limits"
"""Header of a job that has other limits than its declaration states; JSON of `Limits`."""

_OWN = (ROW, STEP, LIMITS)
_IS_TRACE = re.compile("(?!0{32})[0-9a-f]{32}")


def inherited(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what a job with these headers hands on to the jobs that it sends."""
    return {name: value for name, value in headers.items() if name not in _OWN}


def trace_of(job_id: str, headers: Mapping[str, str]) -> str:
    """Return the trace of a job; one that was sent without begins its own, the same in each try."""
    return headers.get(TRACE) or as_trace(job_id)


def as_trace(text: str) -> str:
    """Return a text if it is the id of a trace, else an id that always stands for it."""
    return text if _IS_TRACE.fullmatch(text) else sha256(text.encode()).hexdigest()[:32]


def handed_on(job_id: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return what the run of a job hands on to the jobs that it sends."""
    found = {**inherited(headers), TRACE: trace_of(job_id, headers)}
    place = tracing.here()
    return found if place is None else {**found, SPAN: place.span}
