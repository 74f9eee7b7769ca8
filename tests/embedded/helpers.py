"""Look at processes from outside, run a supervisor as its own process, and talk to the servers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.embedded import Endpoints
from service.embedded.account import server_account

T = TypeVar("T")
HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
KEEP = ("DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT 7 AS n")
PROGRAMS = {"unshare", "initdb", "postgres", "valkey-server", "redis-server"}
SUPERVISE = str(HERE / "supervise.py")


needs_namespaces = pytest.mark.skipif(
    os.geteuid() == 0 and server_account().uid is not None,
    reason="root may not make user namespaces here, so the servers run as nobody",
)


def alive(pid: int) -> bool:
    """Say whether a process runs; a zombie, which waits for its parent only, does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "\nState:\tZ" not in status


def processes_in(home: Path) -> list[int]:
    """Return the live server processes of a home: they work in it, or were given it."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _serves(entry, home)]


def _serves(process: Path, home: Path) -> bool:
    try:
        words = (process / "cmdline").read_text().split("\0")
        named = any(str(home) in word for word in words) and Path(words[0]).name in PROGRAMS
        return named or (process / "cwd").readlink().is_relative_to(home.resolve())
    except OSError:  # gone meanwhile, or a zombie
        return False


def server_pid(home: Path, name: str) -> int:
    """Return the process id that the supervisor recorded for `postgres` or `valkey`."""
    return int((home / f"{name}.lock").read_text())


def eventually(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Wait until a condition holds; say whether it ever did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def spawned(
    command: Sequence[str], *, environment: dict[str, str] | None = None, user: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program in its own session; kill it and its children there at the end."""
    path = {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        command,
        env=os.environ | path | (environment or {}),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # the test has ended it
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def supervisor(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Endpoints]]:
    """Run a home's servers under another process."""
    with spawned([sys.executable, SUPERVISE, str(home), *arguments]) as process:
        yield process, endpoints_of(process)


def endpoints_of(process: subprocess.Popen[str]) -> Endpoints:
    """Wait for a supervisor's line."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return Endpoints(**json.loads(line))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own; the tests here block on processes anyway."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)


def sql(endpoints: Endpoints, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, each committed, and return the rows of the last."""
    return run(_sql(endpoints, statements))


async def _sql(endpoints: Endpoints, statements: Sequence[str]) -> list[tuple[Any, ...]]:
    engine = create_async_engine(
        endpoints.database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    rows: list[tuple[Any, ...]] = []
    async with engine.connect() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
    await engine.dispose()
    return rows


@contextmanager
def elsewhere(home: Path, place: Path) -> Iterator[Path]:
    """Move a home for a while."""
    home.rename(place)
    try:
        yield place
    finally:
        place.rename(home)


@contextmanager
def owned(path: Path, uid: int) -> Iterator[None]:
    """Give a path to another user for a while."""
    before = path.stat()
    os.chown(path, uid, uid)
    try:
        yield
    finally:
        os.chown(path, before.st_uid, before.st_gid)


@contextmanager
def valkey(endpoints: Endpoints) -> Iterator["redis.Redis"]:
    """Connect to Valkey."""
    client = redis.Redis.from_url(endpoints.redis_url, decode_responses=True)
    with client:
        yield client
