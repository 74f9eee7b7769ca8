"""Pure rules of alerts: what is worth waking somebody for.

deploy/prometheus/almanac.rules.yml says the same to Prometheus.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from service.monitoring.measures import Measures, RedisMeasures, RowMeasures

ENDS = ("succeeded", "failed", "dead")
LEAST_ENDS = 10
"""Ended jobs below which a share of failures says nothing."""
WINDOW = 300.0
"""Seconds over which what happens is counted."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One alert that there can be.

    Attributes:
        name: as in `ALMANAC_ALERTS`.
        title: one line; the subject follows.
        above: the value must be greater than that.
        seconds: for which the condition must hold before anybody is told.
    """

    name: str
    title: str
    above: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition that holds now.

    Attributes:
        subject: what it is about, such as a queue; empty for the installation.
        value: in the unit of the threshold.
        text: a sentence that says what is the matter.
    """

    subject: str
    value: float
    text: str


@dataclass(slots=True)
class Seen:
    """What the rules look at.

    Attributes:
        measures: as of now.
        increases: by queue, how many runs came to what within the last `WINDOW`.
        slow: the longest run of each job lately, in seconds: those that are worth a look.
        redis_away: seconds for which Redis has not answered.
    """

    measures: Measures
    increases: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    slow: Mapping[str, float] = field(default_factory=dict)
    redis_away: float = 0.0


class Unknown(Exception):
    """What a rule looks at cannot be seen now: its alerts stay as they are."""


def _redis(seen: Seen) -> RedisMeasures:
    if seen.measures.redis is None:
        raise Unknown
    return seen.measures.redis


def _rows(seen: Seen) -> RowMeasures:
    if seen.measures.rows is None:
        raise Unknown
    return seen.measures.rows


def _worker_down(seen: Seen) -> Iterator[Finding]:
    for queue in _redis(seen).queues:
        if queue.expected and not queue.workers and not queue.backlog.paused:
            text = f"No worker serves {queue.name}, where {queue.backlog.waiting} jobs wait"
            yield Finding(queue.name, 1, text)


def _failures(seen: Seen) -> Iterator[Finding]:
    _redis(seen)
    for queue, counts in seen.increases.items():
        ended = sum(counts.get(end, 0) for end in ENDS)
        if ended >= LEAST_ENDS:
            failed = ended - counts.get("succeeded", 0)
            share = failed / ended
            text = f"{failed} of the last {ended} jobs of {queue} failed: {share:.0%}"
            yield Finding(queue, share, text)


def _queue_length(seen: Seen) -> Iterator[Finding]:
    for queue in _redis(seen).queues:
        paused = ", which is paused" if queue.backlog.paused else ""
        text = f"{queue.backlog.waiting} jobs wait in {queue.name}{paused}"
        yield Finding(queue.name, queue.backlog.waiting, text)


def _slow_job(seen: Seen) -> Iterator[Finding]:
    for name, seconds in seen.slow.items():
        yield Finding(name, seconds, f"A run of {name} took {seconds:.0f} s or more")


def _oldest_job(seen: Seen) -> Iterator[Finding]:
    for queue in _redis(seen).queues:
        if not queue.backlog.paused:
            text = f"A job of {queue.name} has been due for {queue.backlog.oldest:.0f} s"
            yield Finding(queue.name, queue.backlog.oldest, text)


def _lease_losses(seen: Seen) -> Iterator[Finding]:
    _redis(seen)
    for queue, counts in seen.increases.items():
        lost = counts.get("crashed", 0) + counts.get("stale", 0)
        text = f"{lost} runs of {queue} lost their lease: their worker died, or stood still"
        yield Finding(queue, lost, text)


def _dead_jobs(seen: Seen) -> Iterator[Finding]:
    kept = _rows(seen).dead_jobs
    for queue in _redis(seen).queues:
        dead = queue.backlog.dead + kept.get(queue.name, 0)
        yield Finding(queue.name, dead, f"{dead} dead jobs of {queue.name} wait for a decision")


def _schedule_missed(seen: Seen) -> Iterator[Finding]:
    for schedule in _rows(seen).schedules:
        text = f"{schedule.missed} ticks of {schedule.name} did not fire in the last hour"
        yield Finding(schedule.name, schedule.missed, text)


def _schedule_late(seen: Seen) -> Iterator[Finding]:
    for schedule in _rows(seen).schedules:
        late = (seen.measures.at - schedule.next_at).total_seconds()
        text = f"A tick of {schedule.name} is late by {late:.0f} s: nobody ticks"
        yield Finding(schedule.name, late, text)


def _recorder_behind(seen: Seen) -> Iterator[Finding]:
    since = _redis(seen).unrecorded_since
    if since is not None:
        lag = seen.measures.at.timestamp() - since
        yield Finding("", lag, f"The history is behind by {lag:.0f} s")


def _backup_age(seen: Seen) -> Iterator[Finding]:
    at = _rows(seen).backup_at
    if at is not None:
        age = (seen.measures.at - at).total_seconds()
        yield Finding("", age, f"No backup has succeeded for {age / 3600:.1f} h")


def _redis_away(seen: Seen) -> Iterator[Finding]:
    if seen.measures.redis is None:
        text = "Redis does not answer: nothing is queued or run by workers"
        yield Finding("", seen.redis_away, text)


def _health(seen: Seen) -> Iterator[Finding]:
    health = _rows(seen).health
    if health is not None:
        for check, detail in health.failing.items():
            yield Finding(check, 1, f"The health job found: {detail}")


def _health_silent(seen: Seen) -> Iterator[Finding]:
    health = _rows(seen).health
    if health is not None:
        age = (seen.measures.at - health.at).total_seconds()
        text = f"The health job has not ended well for {age / 60:.0f} minutes"
        yield Finding("", age / health.stride, text)


def _not_consuming(seen: Seen) -> Iterator[Finding]:
    for queue in _redis(seen).queues:
        free = _redis(seen).free(queue.name)
        if free and queue.backlog.waiting and not queue.backlog.paused:
            text = (
                f"{', '.join(free)} could run jobs of {queue.name} and does not: one has been due "
                f"for {queue.backlog.oldest:.0f} s"
            )
            yield Finding(queue.name, queue.backlog.oldest, text)


KINDS: Mapping[Kind, Callable[[Seen], Iterator[Finding]]] = {
    Kind("worker_down", "No worker is alive", 0, 300): _worker_down,
    Kind("failures", "Jobs fail", 0.1): _failures,
    Kind("queue_length", "A queue is long", 1000, 60): _queue_length,
    Kind("slow_job", "A job takes long", 600): _slow_job,
    Kind("oldest_job", "Jobs wait for long", 300, 60): _oldest_job,
    Kind("not_consuming", "A worker is alive but takes no jobs", 60, 30): _not_consuming,
    Kind("lease_losses", "Workers lose their jobs", 0): _lease_losses,
    Kind("dead_jobs", "Dead jobs pile up", 10): _dead_jobs,
    Kind("schedule_missed", "A schedule did not fire", 0): _schedule_missed,
    Kind("schedule_late", "A schedule is late", 60, 30): _schedule_late,
    Kind("recorder_behind", "The history is not written", 60, 60): _recorder_behind,
    Kind("backup_age", "There is no fresh backup", 26 * 3600): _backup_age,
    Kind("redis_away", "Redis does not answer", 30): _redis_away,
    Kind("health", "A health check fails", 0): _health,
    Kind("health_silent", "The health job does not run", 660, 360): _health_silent,
}
"""Every alert that is kept as a row."""
DATABASE_AWAY = Kind("database_away", "PostgreSQL does not answer", 30)
"""Told of without rows; the threshold is in seconds."""
