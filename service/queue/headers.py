"""What travels beside the arguments of every job sent from here: trace, actor and the like."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

HEADERS: ContextVar[Mapping[str, str]] = ContextVar("headers", default=MappingProxyType({}))
"""Headers of every job sent in this context; those of a call outrank them."""
ROW = "row"
"""Header of a durable job: the version of the row that it belongs to, under the job's id."""
