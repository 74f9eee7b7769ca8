"""Writes docs/jobs.md from the declarations: `make docs`."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from service.queue import JobType, RetryPolicy, Rule, declared
from workers import analytics, maintenance, publishing, webhooks
from workers.periodic import RULES

MODULES = (publishing, webhooks, maintenance, analytics)
"""Imported so that their jobs are declared."""
HEADING = """# Jobs

Every job of Almanac, written from its declaration by `make docs`. Arguments are ids; a job may run
more than once and has its effect once.
"""


def reference() -> str:
    """Return the reference of all jobs as Markdown."""
    own = [job for job in declared().values() if job.coroutine.startswith("workers.")]
    return "\n".join([HEADING, *(_section(job) for job in sorted(own, key=lambda j: j.name))])


def _section(job: JobType[..., Any]) -> str:
    parameters = ", ".join(map(str, job.signature.parameters.values()))
    returned = inspect.formatannotation(job.signature.return_annotation)
    kept = f"kept {job.keep_result:g} s in Redis"
    when = "; ".join(_when(rule) for rule in RULES if rule.job == job.name)
    rows = {
        "queue": f"{job.queue}, lane {job.lane}",
        "arguments": f"`{parameters}`" if parameters else "none",
        "result": f"`{returned}`, {kept}" if job.keep_result else "none",
        "time limit": f"{job.timeout:g} s",
        "schedule": when or "on demand",
        "after an error": _retries(job.retry),
        **dict(_details(job)),
        "history": {
            "all": "every run",
            "failures": "failed runs",
            "none": "none: its row tells",
        }[job.history],
        "coroutine": f"`{job.coroutine}`",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"## {job.name}\n\n{job.doc}\n\n| | |\n|---|---|\n{table}\n"


def _retries(policy: RetryPolicy) -> str:
    if policy.tries == 1:
        return "dead at once"
    return (
        f"{policy.tries} tries; {policy.delay:g} s to the second, each wait {policy.factor:g} "
        f"times the last, at most {policy.cap:g} s, ± {policy.jitter:.0%}"
    )


def _details(job: JobType[..., Any]) -> Iterator[tuple[str, str]]:
    """Yield what only some jobs declare."""
    if job.soft_timeout is not None:
        yield "asked to end after", f"{job.soft_timeout:g} s"
    if job.rate:
        yield "rate", f"{job.rate.limit} starts in {job.rate.per:g} s{_each(job.rate.key)}"
    if job.concurrency:
        running = f"{job.concurrency.limit} at a time{_each(job.concurrency.key)}"
        yield "runs", f"{running}, others {job.concurrency.busy}"
    if job.sensitive:
        yield "stored", "encrypted"
    if job.inline:
        yield "without a worker", "run by the maintenance process"
    if job.owner:
        yield "owner", f"`{job.owner}`"


def _each(key: str | None) -> str:
    return f" for each `{key}`" if key else ""


def _when(rule: Rule) -> str:
    return f"`{rule.line}` in {rule.zone or '`ALMANAC_TIMEZONE`'}"


if __name__ == "__main__":
    sys.stdout.write(reference())
