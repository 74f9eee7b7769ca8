"""Each job is its own to Sentry, where it is loaded; arq's run_job, which it wraps, is not ours."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

_NOTHING = nullcontext()


def isolated() -> AbstractContextManager[Any]:
    """Return what keeps the tags of one job from the events of another."""
    sentry = sys.modules.get("sentry_sdk")
    return sentry.isolation_scope() if sentry is not None else _NOTHING
