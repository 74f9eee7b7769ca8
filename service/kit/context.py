"""What log lines say of the work they belong to."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

LOG_FIELDS: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType({}))
"""Added to every log line of this context, as `job` and `job_id`."""
