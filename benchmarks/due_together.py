"""10,000 deliveries to the feed, due in the same minute, by one worker process.

    make bench

Prints how long the worker took from the due time to the last publication, the lateness of the
deliveries, and PostgreSQL's transactions per delivery. In the worker every statement is its own
transaction, so that these are its statements.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from service.access.actions import authenticate, create_key
from service.access.caller import Caller, Scope
from service.accounts.actions import Connection, connect
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.posts import sweeping
from service.runtime import Runtime, open_runtime

LEAD = timedelta(seconds=15)
"""Between the enqueueing and the due time, so that the worker is up and waiting."""
LIMIT = 300

INSERT = text("""
    WITH made AS (
        INSERT INTO posts (id, owner_id, text, media, publish_at, zone)
        SELECT gen_random_uuid(), :owner, 'Post ' || n, '[]', :due, 'UTC'
        FROM generate_series(1, :count) AS n RETURNING id
    )
    INSERT INTO deliveries (id, owner_id, post_id, account_id, platform, state, version, due_at,
                            next_run_at, handles, attempts)
    SELECT gen_random_uuid(), :owner, id, :account, 'feed', 'scheduled', 1, :due, :due, '{}', 0
    FROM made
""")
TRANSACTIONS = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
PROGRESS = text("SELECT count(*) FROM deliveries WHERE state = 'published'")
LATENESS = text("""
    SELECT count(*), max(published_at) - min(due_at) AS total,
           percentile_cont(array[0.5, 0.99]) WITHIN GROUP (ORDER BY published_at - due_at) AS late,
           (SELECT count(*) FROM attempts) AS attempts
    FROM deliveries WHERE state = 'published'
""")


async def prepare(runtime: Runtime, count: int) -> datetime:
    """Store the deliveries, queue them, and return their due time."""
    async with runtime.unit_of_work() as uow:
        key = await create_key(uow.session, "bench", [Scope.ADMIN])
        caller: Caller = await authenticate(uow.session, key)
        feed = runtime.platforms["feed"]
        profile = await feed.connect(runtime.settings.base_url, {"handle": "bench"})
        connection = Connection("feed", local=True, profile=profile, credentials={})
        account = await connect(uow.session, caller, runtime.keyring, connection)
        due = datetime.now(UTC) + LEAD
        values = {"owner": caller.user_id, "account": account.id, "due": due, "count": count}
        await uow.session.execute(INSERT, values)
    began = time.perf_counter()
    swept = await sweeping.sweep(runtime)
    print(f"queued {sum(swept.values()):,} by one sweep in {time.perf_counter() - began:.2f} s")
    return due


async def measure(runtime: Runtime, count: int, due: datetime) -> dict[str, float]:
    """Wait until all are published and return the figures."""
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds() - 0.5)
    (before,) = await runtime.database.execute(TRANSACTIONS)
    deadline = time.monotonic() + LIMIT
    looks = 0
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        looks += 1
        (done,) = await runtime.database.execute(PROGRESS)
        if done[0] == count:
            break
    await asyncio.sleep(2)  # PostgreSQL's statistics come a little later
    (after,) = await runtime.database.execute(TRANSACTIONS)
    (row,) = await runtime.database.execute(LATENESS)
    return {
        "published": row.count,
        "attempts": row.attempts,
        "seconds": round(row.total.total_seconds(), 2),
        "per_second": round(row.count / row.total.total_seconds(), 1),
        "lateness_p50_s": round(row.late[0].total_seconds(), 2),
        "lateness_p99_s": round(row.late[1].total_seconds(), 2),
        "statements_per_delivery": round((after[0] - before[0] - looks - 1) / count, 3),
    }


async def run(settings: Settings, count: int) -> dict[str, float]:
    """Store, queue and measure."""
    async with open_runtime(settings, "bench") as runtime:
        due = await prepare(runtime, count)
        return await measure(runtime, count, due)


@contextmanager
def worker_process(home: Path) -> Iterator[None]:
    """A worker of the publishing queue, as `almanac worker publishing` runs it."""
    environment = {**os.environ, "ALMANAC_HOME": str(home), "ALMANAC_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "service.cli", "worker", "publishing"]
    worker = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(60)


def main() -> None:
    """Run on embedded servers in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with EmbeddedServers(home) as endpoints:
            asyncio.run(migrate.upgrade(endpoints.database_url))
            with worker_process(home):
                figures = asyncio.run(run(Settings(_env_file=None, home=home), count))
    conditions = {"cores": os.cpu_count(), "python": platform.python_version(), "count": count}
    print(json.dumps({**conditions, **figures}, indent=2))


if __name__ == "__main__":
    main()
