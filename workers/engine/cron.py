"""Periodic rules become arq's cron jobs, as far as arq's cron can say the same."""

from collections.abc import Iterable, Mapping

from arq.cron import CronJob, cron
from arq.worker import Function

from service.kit.crontab import Crontab
from service.queue import Rule

KEEP_TICK = 600
"""Least seconds for which a tick's result is kept, so that a late worker cannot fire it again."""
TICKED = "ticked"
"""Key in arq's `ctx`: names of cron jobs whose ticks somebody else fires, not the worker."""


def cron_jobs(
    rules: Iterable[Rule], functions: Iterable[Function], zone: str = "UTC"
) -> list[CronJob]:
    """Return arq's cron job for each rule that arq's cron understands, on a clock in UTC.

    A tick's id is its name and time, and it is the same in every worker that mounts the rule: the
    first to come enqueues it, the others find it taken. Rules in another zone, with arguments or
    jitter, or with a line that arq has no words for are left out.

    Args:
        rules: to be mounted.
        functions: the worker's.
        zone: of rules that name none.

    Raises:
        KeyError: a rule names a job that none of the functions runs.
        ValueError: a job's result is not kept for long enough.
    """
    by_name: Mapping[str, Function] = {function.name: function for function in functions}
    found = [_cron_job(rule, by_name[rule.job], rule.zone or zone) for rule in rules]
    return [job for job in found if job is not None]


def _cron_job(rule: Rule, function: Function, zone: str) -> CronJob | None:
    fields = Crontab(rule.line).fields
    if fields is None or zone != "UTC" or rule.arguments or rule.jitter:
        return None
    if (function.keep_result_s or 0) < KEEP_TICK:
        raise ValueError(f"{rule.job} runs periodically: keep_result is at least {KEEP_TICK} s")
    return cron(
        function.coroutine,
        name=f"cron:{rule.name}",
        **fields,  # type: ignore[arg-type] # mypy takes any name for any parameter
        second=0,
        microsecond=0,
        timeout=function.timeout_s,
        keep_result=KEEP_TICK,
    )
