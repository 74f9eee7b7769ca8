"""What travels beside the arguments of every job sent from here: trace, actor and the like."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

HEADERS: ContextVar[Mapping[str, str]] = ContextVar("headers", default=MappingProxyType({}))
"""Headers of every job sent in this context; those of a call outrank them."""
ROW = "row"
"""Header of a durable job: the version of the row that it belongs to, under the job's id."""
STEP = "step"
"""Header of a workflow's job: the step that it runs."""
LIMITS = "limits"
"""Header of a job that has other limits than its declaration states; JSON of `Limits`."""

_OWN = (ROW, STEP, LIMITS)


def inherited(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what a job with these headers hands on to the jobs that it sends."""
    return {name: value for name, value in headers.items() if name not in _OWN}
