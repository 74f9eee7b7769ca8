"""Prometheus metrics of one worker process, served by a thread of it at `/metrics`.

A thread, so that they can be read while the event loop stands still: that is when one wants to.
"""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from threading import Thread
from typing import NamedTuple
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.queue.client import ENQUEUED
from service.queue.presence import queue_name
from workers.engine import Ending, Outcome, Running, Vitals
from workers.engine.identity import process_name

BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0),
)
"""Seconds: from a millisecond to an hour."""
MOST_PORTS = 100
"""Ports that are tried, one after the other."""
_JOB = ("queue", "job_name")

log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """What is counted of one job."""

    outcomes: dict[Outcome, Counter]
    duration: Histogram
    wait: Histogram
    limited: Counter


class JobMetrics(Collector):
    """Measures the workers of this process; see `workers.engine.Meter`.

    Args:
        registry: keeps the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # Else each series has a second one, of when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        self._workers: dict[int, Callable[[], Vitals]] = {}
        self._numbers = count()
        self._outcomes = Counter(
            "almanac_jobs",
            "Runs by what came of them; retried, snoozed and released ones run again.",
            (*_JOB, "outcome"),
            registry=registry,
        )
        self._duration = Histogram(
            "almanac_job_duration_seconds",
            "How long the code of a job ran.",
            _JOB,
            buckets=BUCKETS,
            registry=registry,
        )
        self._wait = Histogram(
            "almanac_job_wait_seconds",
            "How long a run was due before it started.",
            _JOB,
            buckets=BUCKETS,
            registry=registry,
        )
        self._limited = Counter(
            "almanac_job_limits_hit",
            "Runs put off because a limit of the job was full.",
            _JOB,
            registry=registry,
        )
        self._job = cache(self._make_job)
        registry.register(self)

    def _make_job(self, queue: str, name: str) -> _Job:
        labels = (queue_name(queue), name)
        return _Job(
            outcomes={outcome: self._outcomes.labels(*labels, outcome) for outcome in Outcome},
            duration=self._duration.labels(*labels),
            wait=self._wait.labels(*labels),
            limited=self._limited.labels(*labels),
        )

    def watch(self, vitals: Callable[[], Vitals]) -> Callable[[], None]:
        """Tell of a worker until the returned function is called."""
        number = next(self._numbers)
        self._workers[number] = vitals
        return lambda: self._workers.pop(number, None) and None

    def ended(self, queue: str, run: Running, end: Ending) -> None:
        """Count one outcome; a name is only told of a function that this worker has."""
        job = self._job(queue, run.name if run.function is not None else "(unknown)")
        job.outcomes[end.outcome].inc()
        if run.started_ms:
            job.duration.observe(max(0.0, run.ended_ms - run.started_ms) / 1000)
            job.wait.observe(max(0.0, run.started_ms - run.score) / 1000)
        elif run.want is not None and end.outcome is Outcome.SNOOZED:
            job.limited.inc()

    def collect(self) -> Iterator[Metric]:
        """Yield what the workers tell of themselves now."""
        told = [vitals() for vitals in list(self._workers.values())]
        for name, text, value in (
            ("running_jobs", "Jobs that the worker holds.", lambda v: v.running),
            ("slots", "Jobs that it may run at a time, as of now.", lambda v: v.slots),
            (
                "loop_lag_seconds",
                "The longest that its event loop was late lately.",
                lambda v: v.lag,
            ),
        ):
            yield _family(GaugeMetricFamily, name, text, value, told)
        for name, text, value in (
            ("redis_round_trips", "Calls to Redis that were answered.", lambda v: v.round_trips),
            ("lease_losses", "Runs whose outcome was not taken.", lambda v: v.lease_losses),
        ):
            yield _family(CounterMetricFamily, name, text, value, told)
        enqueued = CounterMetricFamily(
            "almanac_enqueued_jobs", "Jobs that this process has queued.", labels=["queue"]
        )
        for queue, number in dict(ENQUEUED).items():
            enqueued.add_metric([queue_name(queue)], number)
        yield enqueued
        info = GaugeMetricFamily(
            "almanac_worker_info", "Which process this is, as in the history.", labels=["worker"]
        )
        info.add_metric([process_name()], 1)
        yield info


def _family(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    value: Callable[[Vitals], float],
    told: list[Vitals],
) -> Metric:
    family = kind(f"almanac_worker_{name}", text, labels=["queue"])
    for vitals in told:
        family.add_metric([queue_name(vitals.queue)], value(vitals))
    return family


@dataclass(slots=True)
class _Served:
    """The metrics of this process, while they are served."""

    metrics: JobMetrics
    server: WSGIServer
    thread: Thread
    users: int = 0


_served: list[_Served] = []
"""One or none: a process that serves several queues has one page for all of them."""


@contextmanager
def served(host: str, port: int) -> Iterator[JobMetrics]:
    """Serve this process's metrics while any of its workers is inside the block.

    Args:
        host: address to listen on.
        port: the first to try: each process of a machine takes the next that is free.

    Raises OSError: the address is not of this machine, or no port is free.
    """
    if not _served:
        registry = CollectorRegistry()
        metrics = JobMetrics(registry)
        ProcessCollector(registry=registry)
        _served.append(_Served(metrics, *_listen(host, port, registry)))
    (shared,) = _served
    shared.users += 1
    try:
        yield shared.metrics
    finally:
        shared.users -= 1
        if not shared.users:
            _served.remove(shared)
            shared.server.shutdown()
            shared.server.server_close()
            shared.thread.join()


def _listen(host: str, port: int, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
    last = min(port + MOST_PORTS, 65_536) - 1
    for candidate in range(port, last + 1):
        try:
            server, thread = start_http_server(candidate, host, registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == last:
                raise
        else:
            log.info("metrics at http://%s:%d/metrics", host, candidate)
            return server, thread
    raise AssertionError("the last port is tried or raises")
