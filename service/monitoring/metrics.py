"""Measures of an installation as Prometheus metrics. Workers serve their own (workers/metrics.py).

Every process of the API tells the same of queues and rows: rules take the `max` of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.db.session import Database
from service.monitoring.measures import Measures, QueueMeasures, RedisMeasures, RowMeasures
from service.queue.client import ENQUEUED
from service.queue.presence import queue_name

HEALTH_INTERVAL = 300.0
"""Seconds between two health jobs, unless schedules are reduced."""
LOST = ("crashed", "stale")
"""Outcomes in Redis that are none: a lease was lost."""


class Exposition(Collector):
    """One answer to Prometheus.

    Args:
        measures: of the installation.
        database: whose connections are counted.
        own: what this process counts itself.
    """

    def __init__(self, measures: Measures, database: Database, own: CollectorRegistry) -> None:
        self._measures = measures
        self._database = database
        self._own = own

    def text(self) -> bytes:
        """Return it in Prometheus's text format."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        measures = self._measures
        answers = {"redis": measures.redis is not None, "postgresql": measures.rows is not None}
        yield _gauge("up", "Whether the server answers.", "server", answers)
        if measures.redis is not None:
            yield from _of_redis(measures.redis, measures.rows)
            yield from _of_recorder(measures, measures.redis)
        if measures.rows is not None:
            yield from _of_rows(measures.rows)
        yield self._connections()
        yield _enqueued()
        yield from self._own.collect()

    def _connections(self) -> Metric:
        family = GaugeMetricFamily(
            "almanac_database_connections",
            "Connections of this process to PostgreSQL, by what they are for.",
            labels=["kind", "state"],
        )
        for kind, (busy, idle) in self._database.connections().items():
            family.add_metric([kind, "busy"], busy)
            family.add_metric([kind, "idle"], idle)
        return family


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"almanac_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _enqueued() -> Metric:
    family = CounterMetricFamily(
        "almanac_enqueued_jobs", "Jobs that this process has queued.", labels=["queue"]
    )
    for queue, number in dict(ENQUEUED).items():
        family.add_metric([queue_name(queue)], number)
    return family


def _single(name: str, text: str, value: float | None) -> Iterator[Metric]:
    """Yield a metric without labels, if there is a value."""
    if value is not None:
        yield GaugeMetricFamily(f"almanac_{name}", text, value=value)


def _of_redis(redis: RedisMeasures, rows: RowMeasures | None) -> Iterator[Metric]:
    dead = rows.dead_jobs if rows is not None else {}
    gauges: Iterable[tuple[str, str, Callable[[QueueMeasures], float]]] = (
        ("ready_jobs", "Jobs that are due and held by nobody.", lambda q: q.backlog.waiting),
        ("running_jobs", "Jobs that workers hold.", lambda q: q.backlog.running),
        ("deferred_jobs", "Jobs whose time is still to come.", lambda q: q.backlog.deferred),
        ("oldest_seconds", "For how long the first ready job is due.", lambda q: q.backlog.oldest),
        ("paused", "Whether nothing is claimed.", lambda q: q.backlog.paused),
        (
            "dead_jobs",
            "Jobs that failed for good and wait for a decision.",
            lambda q: q.backlog.dead + dead.get(q.name, 0),
        ),
    )
    for name, text, value in gauges:
        values = {queue.name: value(queue) for queue in redis.queues}
        yield _gauge(f"queue_{name}", text, "queue", values)
    serving = {queue.name: queue.workers for queue in redis.queues if queue.expected}
    text = "Live workers of a queue that has jobs."
    yield _gauge("queue_workers", text, "queue", serving)
    yield from _outcomes(redis)
    states = dict.fromkeys(("running", "quiet", "offline"), 0)
    for worker in redis.workers:
        states[worker.state] += 1
    yield _gauge("workers", "Workers of the last day that did not say they stop.", "state", states)
    yield from _single("redis_memory_bytes", "Memory that Redis uses.", redis.memory)
    text = "Memory that Redis may use; 0 for no limit."
    yield from _single("redis_memory_limit_bytes", text, redis.memory_limit)


def _outcomes(redis: RedisMeasures) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "almanac_queue_outcomes",
        "Runs by what came of them, of all workers, since Redis was new.",
        labels=["queue", "outcome"],
    )
    losses = CounterMetricFamily(
        "almanac_queue_lease_losses",
        "Runs whose worker died or lost them (crashed), and outcomes that came too late (stale).",
        labels=["queue", "kind"],
    )
    for queue in redis.queues:
        for outcome, number in queue.outcomes.items():
            (losses if outcome in LOST else outcomes).add_metric([queue.name, outcome], number)
        for kind in LOST:  # from the start, so that the first loss is an increase
            if kind not in queue.outcomes:
                losses.add_metric([queue.name, kind], 0)
    yield outcomes
    yield losses


def _of_recorder(measures: Measures, redis: RedisMeasures) -> Iterator[Metric]:
    if measures.rows is None:
        return
    since = redis.unrecorded_since
    lag = 0.0 if since is None else max(0.0, measures.at.timestamp() - since)
    text = "For how long the first run that is not in the history has waited for it."
    yield from _single("recorder_lag_seconds", text, lag)
    lost = CounterMetricFamily(
        "almanac_recorder_lost_batches",
        "Batches of runs that are missing in the history.",
        labels=["queue"],
    )
    for queue, number in measures.rows.lost_events.items():
        lost.add_metric([queue], number)
    yield lost


def _of_rows(rows: RowMeasures) -> Iterator[Metric]:
    text = "Durable jobs that have not ended; at most 10,000 are counted."
    yield _gauge("durable_jobs", text, "state", rows.open_jobs)
    text = "Durable jobs that nobody holds, due for a minute or more."
    yield from _single("durable_jobs_overdue", text, rows.overdue_jobs)
    yield from _schedules(rows)
    text = "Since any process looked for ticks."
    yield from _single("scheduler_heartbeat_age_seconds", text, rows.heartbeat)
    text = "The last good backup or, before the first, since when backups are planned."
    yield from _single("backup_last_success_timestamp_seconds", text, _unix(rows.backup_at))
    if (health := rows.health) is not None:
        text = "When the health job ended well last or, before the first, since when it is planned."
        yield from _single("health_timestamp_seconds", text, health.at.timestamp())
        text = "Between two runs of the health job."
        yield from _single("health_interval_seconds", text, HEALTH_INTERVAL * health.stride)
        failing = dict.fromkeys(health.failing, 1.0)
        yield _gauge("health_failing", "Checks that the last one failed.", "check", failing)


def _schedules(rows: RowMeasures) -> Iterator[Metric]:
    last = {s.name: moment for s in rows.schedules if (moment := _unix(s.last_at)) is not None}
    yield _gauge("schedule_last_tick_timestamp_seconds", "The last tick.", "schedule", last)
    coming = {s.name: s.next_at.timestamp() for s in rows.schedules}
    yield _gauge("schedule_next_tick_timestamp_seconds", "The next tick.", "schedule", coming)
    missed = {s.name: s.missed for s in rows.schedules}
    text = "Ticks of the last hour that did not fire, though they should have."
    yield _gauge("schedule_missed_ticks", text, "schedule", missed)


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
