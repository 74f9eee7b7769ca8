"""Periodic rules become arq's cron jobs."""

from collections.abc import Iterable, Mapping

from arq.cron import CronJob, cron
from arq.worker import Function

from service.queue import Rule

KEEP_TICK = 600
"""Seconds for which a tick's result is kept, so that a late worker cannot fire it again."""


def cron_jobs(rules: Iterable[Rule], functions: Iterable[Function]) -> list[CronJob]:
    """Return arq's cron job for each rule.

    A tick's id is its name and time, and it is the same in every worker that mounts the rule: the
    first to come enqueues it, the others find it taken.

    Raises:
        KeyError: a rule names a job that none of the functions runs.
    """
    by_name: Mapping[str, Function] = {function.name: function for function in functions}
    return [
        cron(
            by_name[rule.job].coroutine,
            name=f"cron:{rule.job}",
            weekday=rule.weekday,
            day=rule.day,
            hour=rule.hour,
            minute=rule.minute,
            second=0,
            timeout=by_name[rule.job].timeout_s,
            keep_result=KEEP_TICK,
        )
        for rule in rules
    ]
