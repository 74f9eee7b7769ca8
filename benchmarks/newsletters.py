"""How fast one process sends an issue to a mail server beside it, and prepares a large one.

    python -m benchmarks.newsletters [--readers 10000] [--prepared 1000000]

The mail server (aiosmtpd, a process of its own) takes everything and keeps nothing. PostgreSQL and
Valkey are the embedded ones.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr
from sqlalchemy import text

from benchmarks.engine.systems import ROOT
from benchmarks.servers import own_servers
from service.config import Settings
from service.kit.clock import now
from service.kit.ids import uuid7
from service.newsletters import handing_over, sending, sending_queries
from service.runtime import Runtime, open_runtime

SINK = "--sink"
NEWSLETTER = text("""
    WITH owner AS (
        INSERT INTO users (id, name) VALUES (:owner, :name) RETURNING id
    ), made AS (
        INSERT INTO newsletters (id, owner_id, slug, name, topic, zone)
        SELECT :newsletter, id, :name, 'News', 'News', 'UTC' FROM owner RETURNING id, owner_id
    )
    INSERT INTO issues (id, owner_id, newsletter_id, number, subject, content, state)
    SELECT :issue, owner_id, id, 1, 'Hello %name%', :content, 'sending' FROM made
""")
READERS = text("""
    WITH people AS (
        INSERT INTO subscribers (id, owner_id, address, key, name, state, confirmed_at)
        SELECT gen_random_uuid(), :owner, 'reader' || n || '@example.com',
               'reader' || n || '@example.com', 'Reader ' || n, 'active', now()
        FROM generate_series(1, :readers) n RETURNING id
    )
    INSERT INTO subscriptions (id, newsletter_id, subscriber_id, state, confirmed_at)
    SELECT gen_random_uuid(), :newsletter, id, 'active', now() FROM people
""")
CONTENT = "# Hello %name%\n\n" + "A paragraph with [a link](https://example.com).\n\n" * 10


async def sink() -> None:
    """Take mails until the process ends; say on which port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def mail_server() -> Iterator[str]:
    """Run the mail server; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.newsletters", SINK]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"smtp://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


async def plant(runtime: Runtime, readers: int) -> tuple[UUID, UUID]:
    """Make an issue and its readers; return the ids of the issue and its newsletter."""
    ids = {"owner": uuid7(), "newsletter": uuid7()}
    issue = uuid7()
    async with runtime.unit_of_work() as uow:
        made = {**ids, "issue": issue, "name": f"news-{issue}", "content": CONTENT}
        await uow.session.execute(NEWSLETTER, made)
        await uow.session.execute(READERS, {**ids, "readers": readers})
    await runtime.database.execute(text("ANALYZE subscribers, subscriptions"))
    return issue, ids["newsletter"]


def memory() -> float:
    """Return the most MiB that this process has had."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


async def send(runtime: Runtime, connections: int, readers: int) -> None:
    """Send an issue by so many connections and print the rate."""
    handing_over.CONNECTIONS = connections
    issue, _ = await plant(runtime, readers)
    begun = time.monotonic()
    left = await sending.run(runtime, issue, "bench", lambda *_: None, last=True)
    rate = readers / (time.monotonic() - begun)
    assert left is None, "it ended"
    sys.stdout.write(
        f"{connections} connections, {readers} readers: {rate:.0f} mails/s, {memory():.0f} MiB\n"
    )


async def prepare(runtime: Runtime, readers: int) -> None:
    """Make the deliveries of a large issue and print the time."""
    issue, newsletter = await plant(runtime, readers)
    begun = time.monotonic()
    async with runtime.unit_of_work() as uow:
        await sending_queries.add_deliveries(uow.session, issue, newsletter, (), now())
    sys.stdout.write(f"{readers} deliveries prepared in {time.monotonic() - begun:.1f} s\n")


async def measure(settings: Settings, readers: int, prepared: int) -> None:
    """Measure all."""
    async with open_runtime(settings, "bench") as runtime:
        for connections in (1, 4, 8):
            await send(runtime, connections, readers)
        await prepare(runtime, prepared)


def main() -> None:
    """Start the servers and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--prepared", type=int, default=1_000_000)
    parser.add_argument(SINK, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sink:
        asyncio.run(sink())
        return
    with own_servers() as settings, mail_server() as url:
        mailing = settings.model_copy(
            update={"smtp_url": SecretStr(url), "mail_from": "Almanac <news@example.org>"}
        )
        asyncio.run(measure(mailing, arguments.readers, arguments.prepared))


if __name__ == "__main__":
    main()
