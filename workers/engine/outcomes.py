"""How a job's run may end other than by returning or raising."""

from datetime import timedelta

from arq import Retry

SHORTEST = timedelta(milliseconds=1)


def snooze(delay: timedelta) -> Retry:
    """Return what a job raises to be run again after this delay; it is no failure."""
    return Retry(defer=max(delay, SHORTEST))
