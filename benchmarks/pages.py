"""How fast every page of the dashboard is made, and how heavy it is, with a long history behind.

    python -m benchmarks.pages [--runs 1000000] [--posts 100000] [--requests 100] [--short] [--json]

Beside the jobs of `benchmarks.history` there are posts of two years and their deliveries. Requests
go through the whole application with a session, without a socket. A page's weight is what a
browser fetches for its first paint, nothing being cached: the page, and its files compressed. Exits
1 when a page is slower or heavier than wanted.
"""

import argparse
import json
import logging
import os
import re
import sys
import time
from itertools import islice
from uuid import UUID

import httpx
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from benchmarks.engine.statistics import percentile
from benchmarks.history import RUNS, fill
from benchmarks.post_rows import accounts, posts
from benchmarks.servers import own_servers
from service.access import passwords, user_actions
from service.access.caller import Scope
from service.accounts.models import Account
from service.app import create_app
from service.config import Settings
from service.dashboard import summary
from service.dashboard.assets import assets
from service.kit.memory import settle_memory
from service.posts.models import Delivery, Post
from service.runtime import Runtime, open_runtime

WANTED_MS = 100.0
"""95 of 100 pages may take so long."""
WANTED_KB = 150.0
POSTS = 100_000
CHUNK = 5_000
PASSWORD = "the password of benchmarks"
PAGES = (
    *("/", "/?over=24h", "/queues", "/queues/default", "/workers"),
    *("/jobs", "/jobs?q=state:failed", "/jobs?q=name:bench.rare", "/jobs?q=error:refused"),
    *("/jobs?q=state:queued", "/jobs?q=state:deferred", "/dead", "/workflows", "/schedules"),
    *("/calendar", "/calendar?view=week", "/calendar?view=day", "/posts", "/posts?show=failed"),
    *("/posts?show=scheduled", "/posts?q=garden", "/posts?q=nobody", "/posts/new"),
    *("/accounts", "/media", "/webhooks", "/keys", "/users", "/audit", "/profile"),
    *("/alerts", "/notifications"),
)
FILE = re.compile(r'(?:src|href)="/static/([^"?]+)\?')


async def add_posts(runtime: Runtime, owner_id: UUID, count: int) -> None:
    """Write accounts, and posts with their deliveries."""
    targets = accounts(owner_id, runtime.keyring.encrypt(b"{}", context="bench"))
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(insert(Account), targets)
    found = posts(count, owner_id, targets)
    while chunk := list(islice(found, CHUNK)):
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(insert(Post), [post for post, _ in chunk])
            await uow.session.execute(insert(Delivery), [d for _, sent in chunk for d in sent])
    await runtime.database.execute(text("ANALYZE"))


async def owner(runtime: Runtime) -> UUID:
    """Make the admin who looks at everything."""
    stored = await passwords.hashed(PASSWORD)
    async with runtime.unit_of_work() as uow:
        await user_actions.create_user(uow.session, "admin", [Scope.ADMIN], stored)
    (row,) = await runtime.database.execute(text("SELECT id FROM users WHERE name = 'admin'"))
    return UUID(str(row.id))


async def log_in(http: httpx.AsyncClient) -> None:
    """Begin a session, whose cookie the client keeps."""
    reply = await http.post("/login", data={"name": "admin", "password": PASSWORD})
    assert reply.status_code == 303, reply.text


async def ask(http: httpx.AsyncClient, requests: int) -> dict[str, list[float]]:
    """Ask for every page in turn; return the milliseconds of each."""
    taken: dict[str, list[float]] = {path: [] for path in PAGES}
    for _ in range(requests):
        for path in PAGES:
            summary.forget()
            began = time.perf_counter()
            reply = await http.get(path, headers={"Accept": "text/html"})
            taken[path].append((time.perf_counter() - began) * 1000)
            assert reply.status_code == 200, (path, reply.text)
    return taken


async def weights(http: httpx.AsyncClient) -> dict[str, float]:
    """Return the thousands of bytes that each page's first paint takes."""
    found = {}
    for path in PAGES:
        reply = await http.get(path, headers={"Accept": "text/html"})
        files = set(FILE.findall(reply.text))
        own = int(reply.headers["content-length"])
        found[path] = (own + sum(len(assets()[name].compressed) for name in files)) / 1000
    return found


async def measure(
    settings: Settings, runs: int, count: int, requests: int
) -> dict[str, dict[str, float]]:
    """Fill the servers, ask for every page, and return its figures."""
    app = create_app(settings)
    async with open_runtime(settings, "bench") as runtime:
        await fill(runtime, runs)
        await add_posts(runtime, await owner(runtime), count)
    settle_memory()  # as `almanac api` does
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as http:
            await log_in(http)
            await ask(http, 3)  # connections, prepared statements, templates
            taken, heavy = await ask(http, requests), await weights(http)
    return {
        path: {
            "p50_ms": round(percentile(times, 50), 1),
            "p95_ms": round(percentile(times, 95), 1),
            "max_ms": round(max(times), 1),
            "kB": round(heavy[path], 1),
        }
        for path, times in taken.items()
    }


def report(found: dict[str, dict[str, float]], title: str, *, as_json: bool) -> bool:
    """Print what was measured; return whether all is as wanted."""
    bad = [path for path, f in found.items() if f["p95_ms"] > WANTED_MS or f["kB"] > WANTED_KB]
    if as_json:
        print(json.dumps({"cores": os.cpu_count(), "pages": found, "bad": bad}, indent=2))
        return not bad
    table = Table("page", "p50 ms", "p95 ms", "max ms", "first paint kB", title=title)
    for path, figures in found.items():
        table.add_row(path, *map(str, figures.values()), style="red" if path in bad else None)
    Console().print(table)
    return not bad


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, help=f"{RUNS:,}, or 50,000 in the short form")
    parser.add_argument("--posts", type=int, help=f"{POSTS:,}, or 10,000")
    parser.add_argument("--requests", type=int, help="of each page; 100, or 10")
    parser.add_argument("--short", action="store_true", help="the quick form")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    runs = arguments.runs or (50_000 if arguments.short else RUNS)
    count = arguments.posts or (10_000 if arguments.short else POSTS)
    requests = arguments.requests or (10 if arguments.short else 100)
    logging.basicConfig(level=logging.WARNING)
    with own_servers() as settings:
        found = uvloop.run(measure(settings, runs, count, requests))
    title = f"{runs:,} runs, {count:,} posts: p95 <= {WANTED_MS:g} ms, <= {WANTED_KB:g} kB"
    sys.exit(not report(found, title, as_json=arguments.json))


if __name__ == "__main__":
    main()
