"""What the stream of events tells of each run: in time for monitors, in full for the history."""

import asyncio
from typing import Any

import pytest

from service.kit.crypto import Keyring
from service.queue import (
    JobState,
    QueueClient,
    RetryPolicy,
    cancel,
    job,
    purge,
    use_keyring,
)
from service.queue.codec import Record, parse
from service.queue.events import Event, Offset, read_events
from service.queue.sealing import MASK
from service.queue.views import end_state
from tests.engine.bench import HERE, KEY, QUEUE, send, serving, until, work
from workers.engine import Context, run
from workers.engine.identity import process_name

pytestmark = pytest.mark.asyncio
TWICE = RetryPolicy(tries=2, delay=0)


@job("engine.count", queue=QUEUE, coroutine=f"{HERE}.count", retry=TWICE, timeout=0.5)
async def count(number: int) -> int:
    """Return the number; fail for 13, sleep for 99."""
    raise NotImplementedError


@job("engine.whisper", queue=QUEUE, coroutine=f"{HERE}.whisper", retry=TWICE, sensitive=True)
async def whisper(secret: str) -> str:
    """Return the secret, or fail with it."""
    raise NotImplementedError


@job("engine.hushed", queue=QUEUE, coroutine=f"{HERE}.hushed", retry=TWICE, history="none")
async def hushed(number: int) -> int:
    """Leave no trace."""
    raise NotImplementedError


@job("engine.grumble", queue=QUEUE, coroutine=f"{HERE}.grumble", retry=TWICE, history="failures")
async def grumble(number: int) -> int:
    """Tell of failures only."""
    raise NotImplementedError


async def code(ctx: Context, number: int) -> int:
    if number == 13:
        raise ValueError("bad luck")
    if number == 99:
        await asyncio.sleep(30)
    return number


async def whispered(ctx: Context, secret: str) -> str:
    if secret.startswith("bad"):
        raise ValueError(secret)
    return secret


FUNCTIONS = (run(count, code), run(whisper, whispered), run(hushed, code), run(grumble, code))


async def events(client: QueueClient) -> list[Event]:
    page = await read_events(client, KEY, Offset(), entries=1000, size=1_000_000)
    return page.events


def told(event: Event) -> tuple[str, str, Any, int | None]:
    """Return id, state, class of the error and number of the try."""
    record = parse(event.result)
    failure = None if record.success else record.shown_failure()
    state = JobState.RETRYING if record.success is None else end_state(failure)
    return event.job_id.decode(), state, failure and failure.type, record.tries


async def test_every_try_is_told(client: QueueClient) -> None:
    """N025, K031: a failed try, the last one, a success and a time limit, by whom and how long."""
    await send(client, count(1), "a")
    await send(client, count(13), "b")
    await send(client, count(99), "c")
    await work(client, *FUNCTIONS)
    found = await events(client)
    assert sorted(map(told, found)) == [
        ("a", "succeeded", None, 1),
        ("b", "failed", "ValueError", 2),
        ("b", "retrying", "ValueError", 1),
        ("c", "failed", "TimeoutError", 2),
        ("c", "retrying", "TimeoutError", 1),
    ]
    assert {event.worker for event in found} == {process_name()}
    records = [parse(event.result) for event in found]
    assert all(r.enqueued_ms <= r.started_ms <= r.finished_ms for r in records)
    failures = [r.shown_failure() for r in records if not r.success]
    assert all(failure.traceback for failure in failures)


async def test_an_end_is_told_at_once(client: QueueClient) -> None:
    """N056: whoever reads the stream sees the end of a job within a second."""
    async with serving(client, *FUNCTIONS):
        await send(client, count(1), "a")
        async with asyncio.timeout(1):
            while not await client.xlen(f"{KEY}:events"):  # noqa: ASYNC110 - what is measured
                await asyncio.sleep(0.01)


async def test_the_declaration_says_what_is_told(client: QueueClient) -> None:
    """`none`: nothing; `failures`: failed tries too, no success."""
    for number in (1, 13):
        await send(client, hushed(number))
        await send(client, grumble(number), f"grumble {number}")
    await work(client, *FUNCTIONS)
    assert sorted(map(told, await events(client))) == [
        ("grumble 13", "failed", "ValueError", 2),
        ("grumble 13", "retrying", "ValueError", 1),
    ]


async def test_secrets_stay_secret(client: QueueClient) -> None:
    """Of a sensitive job only the class of an error is readable, in every try."""
    use_keyring(Keyring(["a secret that only tests use"]))
    try:
        await send(client, whisper("good grief"), "a")
        await send(client, whisper("bad luck"), "b")
        await work(client, *FUNCTIONS)
    finally:
        use_keyring(None)
    found = await events(client)
    assert [told(event)[1] for event in found].count("retrying") == 1
    for event in found:
        assert b"grief" not in event.result
        assert b"luck" not in event.result
        record: Record = parse(event.result)
        assert record.sealed
        if not record.success:
            assert record.shown_failure().message == MASK


async def test_a_cancelled_job_that_waits_is_told(client: QueueClient) -> None:
    """It was no worker's."""
    await send(client, count(1), "a")
    await send(client, hushed(1), "b")
    assert await cancel(client, "a")
    assert await cancel(client, "b")
    (event,) = await events(client)
    assert told(event) == ("a", "cancelled", "asyncio.exceptions.CancelledError", 0)
    assert event.worker == ""


async def test_a_cancelled_job_that_runs_is_told_once(client: QueueClient) -> None:
    """By its worker, when it has stopped."""

    async def slow(ctx: Context, number: int) -> int:
        await asyncio.sleep(30)
        return number

    await send(client, grumble(1), "a")
    async with serving(client, run(grumble, slow), allow_abort_jobs=True) as worker:
        await until(lambda: worker.tasks)
        await asyncio.sleep(0.05)
        assert await cancel(client, "a")
        await until(lambda: not worker.tasks)
    (event,) = await events(client)
    assert told(event)[:2] == ("a", "cancelled")
    assert event.worker == process_name()


async def test_purged_jobs_are_told(client: QueueClient) -> None:
    """As cancelled, those that the history wants."""
    for number in range(3):
        await send(client, count(number), f"count {number}")
        await send(client, hushed(number))
    assert (await purge(client, KEY)).removed == 6
    found = await events(client)
    assert sorted(told(event)[:2] for event in found) == [
        (f"count {number}", "cancelled") for number in range(3)
    ]
