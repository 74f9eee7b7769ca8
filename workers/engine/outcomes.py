"""How a job's run may end other than by returning or raising an error."""

from datetime import timedelta

from arq import Retry

SHORTEST = timedelta(milliseconds=1)


class Snooze(Retry):
    """Raised by a job that wants to run again later; no try is used.

    A stock arq worker takes it for its own Retry.
    """


def snooze(delay: timedelta) -> Snooze:
    """Return what a job raises to be run again after this delay; it is no failure."""
    return Snooze(defer=max(delay, SHORTEST))
