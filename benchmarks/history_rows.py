"""A history as a busy installation has it: runs over seven days, jobs that wait, dead ones."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from service.kit.ids import uuid7_at
from service.monitoring.runs import Run
from service.queue import JobCall
from service.queue.instants import from_ms, to_ms

NAMES = {
    "posts.sweep": 30,
    "webhooks.deliver": 22,
    "bench.thumbnail": 14,
    "bench.digest": 10,
    "notifications.mail": 8,
    "bench.translate": 6,
    "posts.publish_batch": 4,
    "bench.import": 3,
    "bench.report": 2,
    "monitoring.clean": 0.9,
    "bench.audit": 0.09,
    "bench.rare": 0.01,
}
"""Jobs, with their shares."""
QUEUES = ("publishing", "webhooks", "maintenance", "media", "default")
ACTORS = [f"user{n}" for n in range(50)]
ERRORS = (
    ("TimeoutError", "no answer within 10 s from https://api.example/{n}"),
    ("ValueError", "picture {n} has no pixels"),
    ("service.errors.Conflict", "account {n} was disconnected meanwhile"),
    ("httpx.ConnectError", "connection refused by host {n}"),
)
SPAN = timedelta(days=7)
FIRST = datetime.now(UTC) - SPAN
"""When the first run ended."""
TRACEBACK = "Traceback (most recent call last):\n" + "  File …, line 12, in run\n" * 20

PAYLOAD = b'{"f":"bench.digest","a":[],"k":{"number":1},"t":null,"et":1,"v":1}'


def job_id(number: int) -> str:
    """Return the id of the job of a run."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}"


def runs(count: int, seed: int = 7) -> Iterator[Run]:
    """Yield so many runs in the order of their ends."""
    chance = random.Random(seed)
    names, shares = list(NAMES), list(NAMES.values())
    chosen = chance.choices(names, shares, k=count)
    first, step = to_ms(FIRST), SPAN.total_seconds() * 1000 / count
    for number, name in enumerate(chosen):
        yield _run(chance, number, name, int(first + number * step))


def _run(chance: random.Random, number: int, name: str, ended_ms: int) -> Run:
    luck = chance.random()
    state = "succeeded"
    if luck < 0.03:
        state = "failed" if luck < 0.015 else "retrying" if luck < 0.025 else "cancelled"
    failed = state in ("failed", "retrying")
    kind, message = chance.choice(ERRORS)
    whose = chance.random()
    actor = None if whose < 0.6 else "schedule:minutely" if whose < 0.85 else chance.choice(ACTORS)
    took = int(chance.expovariate(1 / 400))
    arguments = {"number": number, "account": f"account-{number % 500}", "force": False}
    return Run(
        finished_at=from_ms(ended_ms),
        id=uuid7_at(ended_ms),
        job_id=job_id(number),
        attempt=1,
        name=name,
        queue=QUEUES[hash_of(name) % len(QUEUES)],
        state=state,
        arguments=json.dumps(arguments),
        result='{"processed": 3, "deferred": 0}' if state == "succeeded" else None,
        error_type=kind if failed else None,
        error=message.format(n=number) if failed else None,
        traceback=TRACEBACK if failed else None,
        worker=f"host{number % 6}:{4000 + number % 12}",
        actor=actor,
        trace=None,
        sensitive=False,
        enqueued_at=from_ms(ended_ms - took - 50),
        started_at=from_ms(ended_ms - took),
    )


def hash_of(name: str) -> int:
    """Return a number of a name, the same in every process."""
    return sum(name.encode())


def waiting(count: int) -> list[JobCall]:
    """Return calls of which half are due now, half within a day."""
    moment = datetime.now(UTC)
    return [
        JobCall(
            "bench.digest",
            "default",
            kwargs={"number": number},
            job_id=f"waiting-{number}",
            run_at=moment + timedelta(seconds=4 * number) if number % 2 else None,
            headers={"actor": ACTORS[number % len(ACTORS)]} if number % 3 else {},
        )
        for number in range(count)
    ]


def deaths(count: int) -> list[dict[str, Any]]:
    """Return rows of dead jobs."""
    return [
        {
            "id": f"dead-{number}",
            "name": "bench.digest",
            "queue": "almanac:default",
            "lane": "normal",
            "payload": PAYLOAD,
            "error_type": ERRORS[number % 4][0],
            "errors": [],
            "tries": 3,
            "actor": ACTORS[number % len(ACTORS)] if number % 3 else None,
            "died_at": FIRST + number * SPAN / count,
        }
        for number in range(count)
    ]
