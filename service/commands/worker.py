"""`almanac worker`: serve queues in this process, or supervise processes that do."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from service.config import Settings
from service.errors import ConfigurationError
from service.kit import children
from service.queue import QueueClient
from service.runtime import load, open_queue, with_servers

log = logging.getLogger(__name__)

_RANGE = re.compile(r"([0-9]{1,6})(?:\.\.([0-9]{1,6}))?")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The command line of `almanac worker`, as given; None is each queue's own setting."""

    queues: Sequence[str]
    concurrency: str | None = None
    prefetch: int | None = None
    max_jobs: int | None = None
    max_memory: int | None = None
    processes: str = "1"
    log_level: str | None = None
    burst: bool = False
    supervised: bool = False
    """Whether this is the process of a supervisor."""

    @property
    def overrides(self) -> dict[str, Any]:
        """The arguments of the engine's Worker that replace those of every queue.

        Raises:
            ConfigurationError: the concurrency is no number or range.
        """
        found: dict[str, Any] = {"burst": self.burst}
        if self.concurrency is not None:
            minimum, found["max_jobs"] = bounds("--concurrency", self.concurrency)
            if minimum < found["max_jobs"]:
                found["min_jobs"] = minimum
        given = {
            "prefetch": self.prefetch,
            "recycle_after": self.max_jobs,
            "recycle_above": self.max_memory,
        }
        return found | {name: value for name, value in given.items() if value is not None}

    @property
    def command(self) -> list[str]:
        """The command of one supervised process."""
        given = {
            "--concurrency": self.concurrency,
            "--prefetch": self.prefetch,
            "--max-jobs": self.max_jobs,
            "--max-memory": self.max_memory,
            "--log-level": self.log_level,
        }
        options = [f"{name}={value}" for name, value in given.items() if value is not None]
        burst = ["--burst"] if self.burst else []
        worker = [sys.executable, "-m", "service.cli", "worker", "--supervised"]
        return [*worker, *options, *burst, "--", *self.queues]


def bounds(option: str, value: str) -> tuple[int, int]:
    """Return minimum and maximum of `4` or `3..10`.

    Raises:
        ConfigurationError: it is neither, is below 1, or the maximum is below the minimum.
    """
    match = _RANGE.fullmatch(value)
    if match is not None:
        minimum = int(match[1])
        maximum = int(match[2] or minimum)
        if 1 <= minimum <= maximum:
            return minimum, maximum
    raise ConfigurationError(
        f"{option} {value}: give a number from 1, such as 4, or a range such as 3..10"
    )


def run_worker(settings: Settings, options: WorkerOptions) -> None:
    """Serve the queues until SIGTERM or SIGINT; in burst mode, until they are empty.

    One process that never recycles itself needs no supervisor and is this one.

    Raises:
        ConfigurationError: an option has a wrong value, or there is no such queue or no server.
        RedisError: Redis does not answer; once the worker runs, it outlasts that.
    """
    minimum, maximum = bounds("--processes", options.processes)
    overrides = options.overrides
    classes = [_settings_class(queue) for queue in dict.fromkeys(options.queues)]
    settings = with_servers(settings)
    if not options.supervised:
        asyncio.run(_reach(settings))
    log.debug("serving %s with %s", options.queues, overrides)
    recycles = options.max_jobs is not None or options.max_memory is not None
    if options.supervised or (maximum == 1 and not recycles):
        serve = load("workers.engine.serve.serve")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(classes, **overrides))
    else:
        keys = [str(found.queue_name) for found in classes]
        asyncio.run(_supervise(settings, options, keys, minimum, maximum))


async def _reach(settings: Settings) -> None:
    async with open_queue(settings) as client:
        await client.ping()


def _settings_class(queue: str) -> Any:
    try:
        return load(f"workers.{queue}.WorkerSettings")
    except ModuleNotFoundError as error:
        if error.name != f"workers.{queue}":
            raise
    except AttributeError as error:  # a module of workers that is no queue
        if error.name != "WorkerSettings":
            raise
    raise ConfigurationError(
        f"There is no queue '{queue}': give names such as publishing or maintenance"
    )


async def _supervise(
    settings: Settings, options: WorkerOptions, keys: Sequence[str], minimum: int, maximum: int
) -> None:
    def start(environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        return children.start(options.command, {**os.environ, **environment})

    async with open_queue(settings) as client:
        supervisor = load("workers.engine.supervisor.Supervisor")(
            start,
            minimum,
            maximum,
            probe=lambda: count_ready(client, keys),
            release=lambda incarnation: release_leases(settings, keys, incarnation),
        )
        await supervisor.run()


async def count_ready(client: QueueClient, keys: Sequence[str]) -> int:
    """Return how many jobs of these queues are due, claimed by nobody, and not paused.

    An aged job of the low lane counts twice.
    """
    seconds, microseconds = await client.time()
    now = seconds * 1000 + microseconds // 1000
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.exists(f"{key}:paused")
            pipe.zcount(key, "-inf", now)
            # In its queue a job of the low lane stands behind its time; here at it.
            pipe.zcount(f"{key}:low", "-inf", now)
        found = await pipe.execute()
    return sum(
        due + low
        for paused, due, low in zip(found[::3], found[1::3], found[2::3], strict=True)
        if not paused
    )


async def release_leases(settings: Settings, keys: Sequence[str], incarnation: str) -> int:
    """Release what a dead worker process held in the queues of these keys; return how many leases.

    Args:
        settings: where the queues are.
        keys: of the queues in Redis.
        incarnation: as the process was given it in ALMANAC_INCARNATION.
    """
    release = load("workers.engine.release.release_incarnation")
    async with open_queue(settings) as client:
        return int(await release(client, keys, incarnation))
