"""What to do about an alert, and what each rule means, in a sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from service.dashboard import formats


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a person needs to know of a rule.

    Attributes:
        when: it opens, with `{above}` for the threshold.
        advice: what to do.
        link: the words of the link.
        path: where it leads; `{}` is what the alert is about.
        unit: of the threshold: `seconds`, `share` or a plain number.
    """

    when: str
    advice: str
    link: str
    path: str
    unit: str = "number"


REMEDIES: Mapping[str, Remedy] = {
    "worker_down": Remedy(
        "A queue with jobs has no living worker, and is not paused",
        "Start a worker of this queue: almanac worker, or your service manager. "
        "If nobody shall serve it, pause it.",
        "The queue",
        "/queues/{}",
    ),
    "failures": Remedy(
        "More than {above} of the jobs that ended in 5 minutes failed for good",
        "Look at what fails, mend the cause, then replay the dead jobs.",
        "Failed jobs of this queue",
        "/jobs?q=queue:{}+state:failed",
        "share",
    ),
    "queue_length": Remedy(
        "More than {above} jobs wait in a queue",
        "Start more workers, or find out which job fills it.",
        "The queue",
        "/queues/{}",
    ),
    "slow_job": Remedy(
        "A run took, or has been taking, more than {above}",
        "Look at the runs of this job: its last log lines say what it waits for. "
        "Cancel it if it hangs.",
        "Runs of this job",
        "/jobs?q=name:{}",
        "seconds",
    ),
    "oldest_job": Remedy(
        "A job has been due for more than {above}, and its queue is not paused",
        "The workers do not keep up: start more of them, or raise their concurrency.",
        "The queue",
        "/queues/{}",
        "seconds",
    ),
    "not_consuming": Remedy(
        "A worker has a free slot, and yet a job has been due for more than {above}",
        "The worker stands still: look at its state, then shut it down so that it starts anew.",
        "Workers",
        "/workers",
        "seconds",
    ),
    "lease_losses": Remedy(
        "Runs that lost their lease in 5 minutes: more than {above}",
        "A worker died, had too little memory, or its event loop stood still. "
        "Its jobs run again by themselves; look at its log.",
        "Workers",
        "/workers",
    ),
    "dead_jobs": Remedy(
        "More than {above} dead jobs of a queue wait for a decision",
        "Decide for each kind of error: replay, once the cause is mended, or discard.",
        "Dead jobs",
        "/dead",
    ),
    "schedule_missed": Remedy(
        "Ticks of the last hour that did not fire: more than {above}",
        "Nobody ticked meanwhile, or the last run was still going on. "
        "Run it now if what it does is needed.",
        "Schedules",
        "/schedules",
    ),
    "schedule_late": Remedy(
        "A tick is late by more than {above}",
        "No maintenance process ticks: start one with almanac worker maintenance.",
        "Workers",
        "/workers",
        "seconds",
    ),
    "recorder_behind": Remedy(
        "The history is behind by more than {above}",
        "Jobs run, but their ends are not written yet: look at the maintenance process "
        "and at PostgreSQL.",
        "Workers",
        "/workers",
        "seconds",
    ),
    "backup_age": Remedy(
        "No backup has succeeded for more than {above}",
        "Look at why the last backup failed, and run it now.",
        "Schedules",
        "/schedules",
        "seconds",
    ),
    "redis_away": Remedy(
        "Redis has not answered for more than {above}",
        "Start Redis again. What was sent meanwhile is kept in PostgreSQL and goes out by itself.",
        "Workers",
        "/workers",
        "seconds",
    ),
    "health": Remedy(
        "A check of the health job failed",
        "The text says what was found: mend it, and the next check ends this alert.",
        "Runs of the health job",
        "/jobs?q=name:monitoring.health",
    ),
    "health_silent": Remedy(
        "The health job has not ended well for more than {above}",
        "Look at its runs, and whether a worker of the maintenance queue lives.",
        "Runs of the health job",
        "/jobs?q=name:monitoring.health",
        "seconds",
    ),
    "database_away": Remedy(
        "PostgreSQL has not answered for more than {above}; told of by mail only",
        "Start PostgreSQL again; jobs wait meanwhile.",
        "Workers",
        "/workers",
        "seconds",
    ),
}
UNKNOWN = Remedy("A rule of another version", "Look at the text.", "Overview", "/")


def remedy(rule: str) -> Remedy:
    """Return what to do about an alert of a rule."""
    return REMEDIES.get(rule, UNKNOWN)


def path(rule: str, subject: str) -> str:
    """Return where one sees what an alert is about."""
    return remedy(rule).path.format(quote(subject, safe=""))


def opens_when(rule: str, above: float) -> str:
    """Return when a rule opens an alert, with the threshold of this installation."""
    found = remedy(rule)
    match found.unit:
        case "seconds":
            text = formats.duration(above)
        case "share":
            text = f"{above:.0%}"
        case _:
            text = formats.number(above)
    return found.when.format(above=text)
