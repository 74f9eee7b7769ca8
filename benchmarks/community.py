"""What is counted of a large community: how fast, and how long others wait for a lock.

    python -m benchmarks.community [--rows 1000000] [--json]

`--rows` posts of two years, a tenth as many members, follows, comments, likes and hashtags. While
each job runs, a writer changes one random row after another; its longest wait is what a member
would feel.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.servers import own_servers
from service.access.actions import create_key
from service.access.caller import Scope
from service.community import cleaning, counting, digests
from service.config import Settings
from service.runtime import Runtime, open_runtime

ROWS = 1_000_000
LONGEST_WAIT = 100.0
"""Milliseconds: what a lock may cost others."""
MEMBERS = 10
"""Posts for each member."""

FILL = (
    """INSERT INTO members (id, owner_id, email, username, display_name, joined_at, last_active_at)
    SELECT uuidv7(n * interval '1 ms' - interval '2 years'), (SELECT id FROM users LIMIT 1),
        n || '@example.com', 'member' || n, 'Member ' || n, now() - interval '2 years', now()
    FROM generate_series(1, :members) n""",
    """CREATE TABLE people AS
    SELECT id, (row_number() OVER (ORDER BY id))::int AS n FROM members""",
    "CREATE UNIQUE INDEX ON people (n)",
    """INSERT INTO follows (follower_id, followed_id, created_at)
    SELECT a.id, b.id, now() - random() * interval '2 years'
    FROM people a, generate_series(1, 5) k
    JOIN people b ON true WHERE b.n = (a.n + k * k * 7919) % :members + 1 ON CONFLICT DO NOTHING""",
    """INSERT INTO feed_posts (id, owner_id, author_id, content, visibility, likes_count,
        comments_count, shares_count, views_count, created_at)
    SELECT uuidv7(at - now()), (SELECT id FROM users LIMIT 1), people.id,
        'Post ' || p.n || repeat(' of many words', 10),
        CASE WHEN p.n % 10 = 0 THEN 'private' ELSE 'public' END,
        p.n % 7, p.n % 3, p.n % 2, p.n % 50, at
    FROM (
        SELECT n, now() - (1 - n::float / :rows) * interval '2 years' AS at
        FROM generate_series(1, :rows) n
    ) p JOIN people ON people.n = p.n % :members + 1""",
    """UPDATE feed_posts SET likes_count = 0, comments_count = 0, shares_count = 0, views_count = 3
    WHERE created_at < now() - interval '366 days' AND hashtext(id::text) % 10 = 0""",
    """INSERT INTO hashtags (id, name)
    SELECT uuidv7(), 'tag' || n FROM generate_series(1, 5000) n""",
    """CREATE TABLE tags AS SELECT id, (row_number() OVER (ORDER BY id))::int AS n FROM hashtags""",
    """INSERT INTO feed_post_hashtags (post_id, hashtag_id, created_at)
    SELECT p.id, t.id, p.created_at FROM feed_posts p
    JOIN tags t ON t.n = floor(5000 * power(abs(hashtext(p.id::text)) / 2147483648.0, 3)) + 1
    WHERE p.visibility = 'public'""",
    """UPDATE hashtags h SET uses_count = u.uses FROM (
        SELECT hashtag_id, count(*) AS uses FROM feed_post_hashtags GROUP BY hashtag_id
    ) u WHERE u.hashtag_id = h.id""",
    """INSERT INTO comments (id, owner_id, post_id, author_id, content, created_at)
    SELECT uuidv7(), p.owner_id, p.id, p.author_id, 'Well', p.created_at
    FROM feed_posts p WHERE p.comments_count > 0""",
    """INSERT INTO reactions (post_id, member_id, kind, created_at)
    SELECT p.id, p.author_id, 'like', p.created_at FROM feed_posts p WHERE p.likes_count > 0""",
    "DROP TABLE people",
    "DROP TABLE tags",
    "VACUUM ANALYZE",
)
TOUCH = {"feed_posts": "content", "members": "display_name", "hashtags": "name"}
"""What a writer writes that changes no figure: it waits for a row's lock all the same."""
TOOK = "extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000"
"""Told by PostgreSQL, so that a busy client does not count."""
LATER = """UPDATE feed_posts SET created_at = created_at - interval '1 day'
    WHERE created_at > now() - interval '11 days'"""
"""As far as scores go, it is tomorrow."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How one job did."""

    job: str
    rows: int
    seconds: float
    rows_per_second: float
    longest_wait_ms: float
    usual_wait_ms: float
    memory_mib: float
    result: str


async def fill(runtime: Runtime, rows: int) -> None:
    """Make a community; its counters and scores are all zero, and thus wrong."""
    async with runtime.unit_of_work() as uow:
        await create_key(uow.session, "bench", [Scope.ADMIN])
    values = {"rows": rows, "members": max(rows // MEMBERS, 10)}
    for statement in FILL:
        written = statement
        for name, value in values.items():
            written = written.replace(f":{name}", str(value))
        await runtime.database.execute(text(written))


async def touch(runtime: Runtime, table: str, waits: list[float]) -> None:
    """Write one random row after another, and keep the milliseconds until each was written."""
    sample = text(f"SELECT id FROM {table} ORDER BY random() LIMIT 5000")
    ids = [row.id for row in await runtime.database.execute(sample)]
    column = TOUCH[table]
    statement = text(f"UPDATE {table} SET {column} = {column} WHERE id = :id RETURNING {TOOK}")
    while True:
        for row_id in ids:
            waits += [
                float(row[0]) for row in await runtime.database.execute(statement, {"id": row_id})
            ]
            await asyncio.sleep(0.001)


@asynccontextmanager
async def writing(runtime: Runtime, table: str) -> Any:
    """Let a writer work meanwhile; yield its waits."""
    waits: list[float] = []
    writer = asyncio.create_task(touch(runtime, table, waits))
    await asyncio.sleep(0.5)
    waits.clear()
    try:
        yield waits
    finally:
        writer.cancel()


def _silent(_part: float) -> None:
    """Progress is of no interest here."""


async def measure(runtime: Runtime, rows: int) -> list[Figure]:
    """Run every job, those that write much twice: the second time all is right."""
    members = max(rows // MEMBERS, 10)

    async def statistics() -> object:
        return await counting.update_statistics(runtime, _silent)

    async def scores() -> object:
        return await counting.update_scores(runtime, _silent)

    def clean(mode: cleaning.Mode, *, dry_run: bool) -> Callable[[], Awaitable[object]]:
        return lambda: cleaning.clean_posts(runtime, _silent, dry_run=dry_run, mode=mode)

    async def tomorrow() -> object:
        await runtime.database.execute(text(LATER))
        return await scores()

    jobs: tuple[tuple[str, str, int, Callable[[], Awaitable[object]]], ...] = (
        ("update_statistics, all wrong", "members", members, statistics),
        ("update_statistics, all right", "members", members, statistics),
        ("update_scores, all wrong", "feed_posts", rows, scores),
        ("update_scores, all right", "feed_posts", rows, scores),
        ("update_scores, a day later", "feed_posts", rows, tomorrow),
        ("update_trending", "hashtags", rows, lambda: counting.update_trending(runtime)),
        ("analyse_day", "feed_posts", rows, lambda: counting.analyse_day(runtime, None)),
        ("clean_posts, dry run", "feed_posts", rows, clean("archive", dry_run=True)),
        ("clean_posts, archive", "feed_posts", rows, clean("archive", dry_run=False)),
        ("clean_posts, delete", "feed_posts", rows, clean("delete", dry_run=False)),
        ("send_digests", "members", members, lambda: digests.send_digests(runtime, _silent)),
    )
    return [await _measured(runtime, *job) for job in jobs]


async def _measured(
    runtime: Runtime, name: str, table: str, rows: int, job: Callable[[], Awaitable[object]]
) -> Figure:
    async with writing(runtime, table) as waits:
        began = time.perf_counter()
        result = await job()
        taken = time.perf_counter() - began
        found = sorted(waits) or [0.0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figure(
        name,
        rows,
        round(taken, 2),
        round(rows / taken),
        round(found[-1], 1),
        round(found[len(found) // 2], 1),
        round(peak),
        str(result),
    )


async def run(settings: Settings, rows: int) -> list[Figure]:
    """Fill servers and measure on them."""
    async with open_runtime(settings, "bench") as runtime:
        began = time.perf_counter()
        await fill(runtime, rows)
        print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        return await measure(runtime, rows)


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="posts")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with own_servers() as settings:
        found = uvloop.run(run(settings, arguments.rows))
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in found], indent=2))
    else:
        table = Table("job", "rows", "s", "rows/s", "longest wait ms", "usual", "MiB", "result")
        for figure in found:
            table.add_row(*map(str, asdict(figure).values()))
        Console(width=160).print(table)
    sys.exit(any(figure.longest_wait_ms > LONGEST_WAIT for figure in found))


if __name__ == "__main__":
    main()
