"""How fast the API answers about 1,000,000 runs: every kind of list and search that it offers.

    python -m benchmarks.history [--runs 1000000] [--requests 200] [--short] [--json]

The runs ended over seven days, 3 % of them badly, of twelve jobs. Beside them 200,000 rows of
durable jobs have ended, 20,000 durable jobs and 20,000 others wait, and 5,000 are dead. Requests go
through the whole application, without a socket; PostgreSQL and Valkey are the embedded ones. Exits
1 when a kind is slower than wanted.
"""

import argparse
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import httpx
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from benchmarks.history_rows import (
    ACTORS,
    FIRST,
    NAMES,
    PAYLOAD,
    SPAN,
    deaths,
    job_id,
    runs,
    waiting,
)
from benchmarks.servers import own_servers
from service.access.actions import create_key
from service.access.caller import Scope
from service.app import create_app
from service.config import Settings
from service.kit.ids import uuid7_at
from service.kit.pagination import encode_cursor
from service.monitoring import history_queries as queries
from service.monitoring import minute_queries
from service.monitoring.models import DeadJob
from service.queue.instants import to_ms
from service.runtime import Runtime, open_runtime

WANTED_MS = 50.0
"""95 of 100 requests may take so long."""
CHUNK = 20_000
WAITING, DEAD = 20_000, 5_000
ENDED = text("""
    INSERT INTO durable_jobs (id, version, name, queue, lane, payload, state, error, due_at,
                              look_at, looks, tries, path, created_at, started_at, finished_at)
    SELECT 'ended-' || n, 1, 'bench.digest', 'almanac:default', 'normal',
           CAST(:payload AS bytea),
           CASE WHEN failed THEN 'failed' ELSE 'succeeded' END,
           CASE WHEN failed THEN 'ValueError: bad luck' END,
           at, at, 0, 1, 'queue', at, at, at
    FROM (SELECT n, n % 2000 = 0 AS failed, now() - n * interval '3 seconds' AS at
          FROM generate_series(1, CAST(:count AS int)) AS n) AS ends
""")
RUNS = 1_000_000
ADMIN, USER = "admin", ACTORS[0]


class Choice(random.Random):
    """Chooses parameters, of a history with so many runs."""

    runs = RUNS


class Kind(NamedTuple):
    """One kind of request: a path of random parameters, and whose key asks."""

    path: Callable[[Choice], str]
    user: str = ADMIN


def _ms(chance: Choice) -> int:
    return to_ms(FIRST) + int(chance.random() * SPAN.total_seconds() * 1000)


def _cursor(chance: Choice) -> str:
    return f"cursor={encode_cursor(uuid7_at(_ms(chance)))}"


def _hour(chance: Choice) -> str:
    begin = _ms(chance) / 1000
    since, until = (time.strftime("%FT%TZ", time.gmtime(at)) for at in (begin, begin + 3600))
    return f"since={since}&until={until}"


def _name(chance: Choice) -> str:
    return f"name={chance.choice(list(NAMES))}"


KINDS: dict[str, Kind] = {
    "newest": Kind(lambda _: "jobs"),
    "newest 200": Kind(lambda _: "jobs?limit=200"),
    "from a cursor": Kind(lambda c: f"jobs?{_cursor(c)}"),
    "of an hour": Kind(lambda c: f"jobs?{_hour(c)}"),
    "name": Kind(lambda c: f"jobs?{_name(c)}&{_cursor(c)}"),
    "name, failed": Kind(lambda c: f"jobs?{_name(c)}&state=failed&{_cursor(c)}"),
    "name, succeeded": Kind(lambda c: f"jobs?{_name(c)}&state=succeeded&{_cursor(c)}"),
    "rare name": Kind(lambda _: "jobs?name=bench.rare"),
    "failed": Kind(lambda c: f"jobs?state=failed&{_cursor(c)}"),
    "cancelled": Kind(lambda c: f"jobs?state=cancelled&{_cursor(c)}"),
    "queue": Kind(lambda c: f"jobs?queue=media&{_cursor(c)}"),
    "queue, retrying": Kind(lambda c: f"jobs?queue=media&state=retrying&{_cursor(c)}"),
    "actor": Kind(lambda c: f"jobs?actor={c.choice(ACTORS)}"),
    "actor, name": Kind(lambda c: f"jobs?actor={c.choice(ACTORS)}&{_name(c)}"),
    "error class": Kind(lambda c: f"jobs?error=TimeoutError&{_cursor(c)}"),
    "error text": Kind(lambda c: f"jobs?error=refused by host&{_cursor(c)}"),
    "error text, none": Kind(lambda c: f"jobs?error=nobody said this&{_cursor(c)}"),
    "argument": Kind(lambda c: f"jobs?argument=account:account-{c.randrange(500)}&{_cursor(c)}"),
    "argument, none": Kind(lambda c: f"jobs?argument=account:nobody&{_cursor(c)}"),
    "name, queue, argument, none": Kind(
        lambda c: f"jobs?name=posts.sweep&queue=nowhere&argument=number:-1&{_cursor(c)}"
    ),
    "newest, a user": Kind(lambda _: "jobs", USER),
    "from a cursor, a user": Kind(lambda c: f"jobs?{_cursor(c)}", USER),
    "somebody else's, a user": Kind(lambda _: f"jobs?actor={ACTORS[1]}", USER),
    "one job": Kind(lambda c: f"jobs/{job_id(c.randrange(c.runs))}"),
    "one job, as a task": Kind(lambda c: f"jobs/{job_id(c.randrange(c.runs))}/status"),
    "queued": Kind(lambda _: "jobs?state=queued"),
    "deferred": Kind(lambda _: "jobs?state=deferred"),
    "deferred, a user": Kind(lambda _: "jobs?state=deferred", USER),
    "running": Kind(lambda _: "jobs?state=running"),
    "dead": Kind(lambda _: "dead"),
    "dead, error, a user": Kind(lambda _: "dead?error=ValueError", USER),
}


async def fill(runtime: Runtime, count: int) -> None:
    """Write the history, jobs that wait and dead jobs."""
    database = runtime.database
    found = runs(count)
    days: set[object] = set()
    while chunk := list(islice(found, CHUNK)):
        async with runtime.unit_of_work() as uow:
            for day in sorted({run.finished_at.date() for run in chunk} - days):
                await queries.add_day(uow.session, day)
                days.add(day)
            await queries.add_runs(uow.session, chunk)
            await minute_queries.add(uow.session, chunk)
    await database.execute(ENDED, {"count": count // 5, "payload": PAYLOAD})
    calls = waiting(2 * WAITING)
    async with runtime.unit_of_work() as uow:
        uow.enqueue(*calls[:WAITING])
    await runtime.queue.enqueue_many(calls[WAITING:])
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(insert(DeadJob), deaths(DEAD))
        await uow.session.execute(text("ANALYZE"))  # as autovacuum would by and by


async def ask(
    http: httpx.AsyncClient, keys: dict[str, str], runs: int, requests: int
) -> dict[str, list[float]]:
    """Send every kind of request, in turn, and return the milliseconds of each."""
    chance = Choice(11)
    chance.runs = runs
    taken: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(requests):
        for name, kind in KINDS.items():
            path = "/v1/" + kind.path(chance)
            headers = {"Authorization": f"Bearer {keys[kind.user]}"}
            began = time.perf_counter()
            reply = await http.get(path, headers=headers)
            taken[name].append((time.perf_counter() - began) * 1000)
            assert reply.status_code == 200, (path, reply.text)
    return taken


async def measure(settings: Settings, count: int, requests: int) -> dict[str, list[float]]:
    """Fill the servers and ask the application."""
    app = create_app(settings)
    async with open_runtime(settings, "bench") as runtime:
        await fill(runtime, count)
        async with runtime.unit_of_work() as uow:
            scopes = {ADMIN: Scope.ADMIN, USER: Scope.JOBS_READ}
            keys = {
                user: await create_key(uow.session, "bench", [scope], user)
                for user, scope in scopes.items()
            }
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as http:
            await ask(http, keys, count, 5)  # connections, prepared statements
            return await ask(http, keys, count, requests)


def report(taken: dict[str, list[float]], count: int, *, as_json: bool) -> bool:
    """Print what was measured; return whether all is as wanted."""
    figures = {}
    for name, times in taken.items():
        ordered = sorted(times)
        places = (len(ordered) // 2, -(-len(ordered) * 95 // 100) - 1, -1)
        figures[name] = dict(
            zip(("p50", "p95", "max"), (round(ordered[n], 1) for n in places), strict=True)
        )
    slow = [name for name, found in figures.items() if found["p95"] > WANTED_MS]
    if as_json:
        print(
            json.dumps(
                {"runs": count, "cores": os.cpu_count(), "ms": figures, "slow": slow}, indent=2
            )
        )
        return not slow
    table = Table("request", "p50 ms", "p95 ms", "max ms", title=f"{count:,} runs, p95 <= 50 ms")
    for name, found in figures.items():
        table.add_row(name, *map(str, found.values()), style="red" if name in slow else None)
    Console().print(table)
    return not slow


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, help=f"{RUNS:,}, or 100,000 in the short form")
    parser.add_argument("--requests", type=int, help="of each kind; 200, or 40")
    parser.add_argument("--short", action="store_true", help="the quick form")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    count = arguments.runs or (100_000 if arguments.short else RUNS)
    requests = arguments.requests or (40 if arguments.short else 200)
    logging.basicConfig(level=logging.WARNING)
    with own_servers() as settings:
        taken = uvloop.run(measure(settings, count, requests))
    sys.exit(not report(taken, count, as_json=arguments.json))


if __name__ == "__main__":
    main()
