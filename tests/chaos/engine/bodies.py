"""What the jobs do: write the ledger, and misbehave."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from tests.chaos.engine.ledger import Ledger

Context = dict[Any, Any]


@contextmanager
def _recorded(ctx: Context, key: str = "") -> Iterator[int]:
    """Write the run's start and how it ends."""
    ledger: Ledger = ctx["witness"]
    run = ledger.start(ctx["job_id"], ctx["job_try"], key)
    try:
        yield run
    except asyncio.CancelledError:
        ledger.end(run, ctx["job_id"], "cancelled")
        raise
    except BaseException:  # raised again, and in the ledger
        ledger.end(run, ctx["job_id"], "raised")
        raise
    ledger.end(run, ctx["job_id"], "done")


async def work(ctx: Context, seconds: float = 0.0, text: str = "") -> int:
    """Sleep so long."""
    del text
    with _recorded(ctx) as run:
        await asyncio.sleep(seconds)
    return run


async def plain(ctx: Context, seconds: float = 0.0) -> int:
    """Do as `work`; it is mounted as an undeclared function of arq."""
    return await work(ctx, seconds)


async def newer(ctx: Context, seconds: float = 0.0) -> int:
    """Do as `work`."""
    return await work(ctx, seconds)


async def block(ctx: Context, seconds: float) -> int:
    """Block the loop."""
    with _recorded(ctx) as run:
        time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    return run


async def poison(ctx: Context) -> None:
    """Abort the process."""
    with _recorded(ctx):
        os.abort()


async def limited(ctx: Context, key: str, seconds: float) -> int:
    """Sleep so long."""
    with _recorded(ctx, key) as run:
        await asyncio.sleep(seconds)
    return run


async def flaky(ctx: Context, failures: int) -> int:
    """Raise in the first runs."""
    with _recorded(ctx) as run:
        if ctx["job_try"] <= failures:
            raise RuntimeError(f"try {ctx['job_try']} of {failures} that fail")
    return run


async def stubborn(ctx: Context, way: str, seconds: float) -> None:
    """Go on although cancelled."""
    with _recorded(ctx):
        end = time.monotonic() + seconds
        if way == "thread":
            await asyncio.to_thread(threading.Event().wait, seconds)
        elif way == "shield":
            await asyncio.shield(asyncio.sleep(seconds))
        while way == "swallow" and (left := end - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                ctx["witness"].note("swallowed")


class Unkind(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")

    __repr__ = __str__


class Base(BaseException):
    """What `except Exception` does not see."""


class Unshowable:
    """A result that cannot even be shown."""

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no text")


async def odd(ctx: Context, kind: str) -> Any:
    """Return or raise what cannot be stored."""
    with _recorded(ctx):
        if kind == "lock":
            return threading.Lock()
        if kind == "unshowable":
            return Unshowable()
        if kind == "large":
            return "x" * 5_000_000
        if kind == "surrogate":
            return "\ud800"
        if kind == "group":
            raise BaseExceptionGroup("many", [Unkind(), ValueError("one")])
        if kind == "base":
            raise Base("not an Exception")
        if kind == "exit":
            raise SystemExit(3)
        raise Unkind
