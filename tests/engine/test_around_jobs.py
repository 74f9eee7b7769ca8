"""What happens around a job: hooks, log lines, and the ledger."""

import asyncio
import logging

import pytest

from service.queue import JobState, QueueClient, RetryPolicy, cancel, dead_jobs, job
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, serving, until, work
from workers.engine import Context, Finished, run

pytestmark = pytest.mark.asyncio


@job("engine.tell", queue=QUEUE, coroutine=f"{HERE}.tell", retry=RetryPolicy(tries=2, delay=0))
async def tell(number: int) -> int:
    """Return a number, or fail for 13."""
    raise NotImplementedError


@job("engine.silent", queue=QUEUE, coroutine=f"{HERE}.silent", history="none")
async def silent() -> int:
    """Leave no history."""
    raise NotImplementedError


async def told(ctx: Context, number: int) -> int:
    """Return the number, or fail."""
    if number == 13:
        raise ValueError("bad luck")
    if number == 99:
        await asyncio.sleep(30)
    return number


class Book:
    """A ledger that looks at Redis when it is told."""

    def __init__(self, client: QueueClient, *, keeps: bool = False, raises: bool = False) -> None:
        self.ends: list[Finished] = []
        self.still_queued: list[bool] = []
        self._client, self._keeps, self._raises = client, keeps, raises

    async def record(self, end: Finished) -> bool:
        """Note an end, and whether Redis still has the job."""
        self.ends.append(end)
        self.still_queued.append(await self._client.zscore(KEY, end.job_id) is not None)
        if self._raises:
            raise OSError("the disk is full")
        return self._keeps


async def test_the_ledger_comes_before_redis_forgets(client: QueueClient) -> None:
    """Each end is told once, with its state, while the job is still in the queue."""
    book = Book(client)
    await send(client, tell(7), "1")
    await send(client, tell(13), "2")
    await work(client, run(tell, told), ledger=book)
    ends = {end.job_id: end for end in book.ends}
    assert len(book.ends) == 2
    assert book.still_queued == [True, True]
    assert (ends["1"].state, ends["1"].result, ends["1"].tries) == (JobState.SUCCEEDED, 7, 1)
    assert (ends["2"].state, ends["2"].tries, ends["2"].dead) == (JobState.FAILED, 2, True)
    assert ends["2"].arguments == {"number": 13}
    assert "ValueError: bad luck" in (ends["2"].traceback or "")


async def test_a_cancelled_job_is_told_too(client: QueueClient) -> None:
    """A job cancelled while it runs ends in the ledger as cancelled."""
    book = Book(client)
    await send(client, tell(99), "1")
    async with serving(client, run(tell, told), ledger=book) as worker:
        await until(lambda: worker.tasks)
        await asyncio.sleep(0.05)
        assert await cancel(client, "1")
        await until(lambda: book.ends)
    assert [end.state for end in book.ends] == [JobState.CANCELLED]


async def test_unreadable_arguments_are_told_too(client: QueueClient) -> None:
    """A declared job that cannot be read ends in the ledger as failed."""
    book = Book(client)
    await client.enqueue_job("engine.tell", "no number", _queue_name=KEY)
    await work(client, run(tell, told), ledger=book)
    (end,) = book.ends
    assert (end.state, end.arguments) == (JobState.FAILED, {})
    assert "argument number of engine.tell" in str(end.error)


async def test_a_ledger_that_keeps_dead_jobs(client: QueueClient) -> None:
    """Redis then keeps none."""
    await send(client, tell(13), "1")
    await work(client, run(tell, told), ledger=Book(client, keeps=True))
    assert await dead_jobs(client, KEY) == []
    assert (await seen(client, "1")).state is JobState.FAILED


async def test_a_failing_ledger_loses_nothing(
    client: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The outcome is written all the same, and the error is logged."""
    await send(client, tell(7), "1")
    await work(client, run(tell, told), ledger=Book(client, raises=True))
    assert (await seen(client, "1")).state is JobState.SUCCEEDED
    assert "the ledger did not take the end of job 1" in caplog.text


async def test_history_none_tells_nobody(client: QueueClient) -> None:
    """Neither the ledger nor the stream of events has such a job."""

    async def nothing(ctx: Context) -> int:
        return 1

    book = Book(client)
    await send(client, silent())
    await work(client, run(silent, nothing), ledger=book)
    assert book.ends == []
    assert not await client.exists(f"{KEY}:events")


def lines(caplog: pytest.LogCaptureFixture, job_id: str) -> list[tuple[str, str]]:
    """Return level and text of the lines that name a job."""
    ours = [r for r in caplog.records if r.name.startswith("workers.engine")]
    return [(r.levelname, r.getMessage()) for r in ours if job_id in r.getMessage()]


async def test_one_line_for_each_outcome(
    client: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """T053, T054, T055: one line for a success, one per retry with its number, one for an end."""
    with caplog.at_level(logging.INFO):
        good, bad = await send(client, tell(7)), await send(client, tell(13))
        await work(client, run(tell, told))
    assert lines(caplog, good) == [("INFO", f"job {good} succeeded: engine.tell")]
    assert lines(caplog, bad) == [
        (
            "WARNING",
            f"job {bad} failed in try 1 of 2, and runs again in 0.00 s: ValueError: bad luck",
        ),
        ("ERROR", f"job {bad} failed: ValueError: bad luck"),
    ]
    failure = [r for r in caplog.records if r.levelname == "ERROR"][-1]
    assert failure.exc_info is not None


async def test_hooks_come_in_arqs_order(client: QueueClient) -> None:
    """on_job_start, the job, on_job_end, then after_job_end when the result is there."""
    heard: list[str] = []

    async def start(ctx: Context) -> None:
        heard.append(f"start {ctx['job_id']} {ctx['job_try']}")

    async def end(ctx: Context) -> None:
        heard.append(f"end {await client.exists('arq:result:1')}")

    async def after(ctx: Context) -> None:
        heard.append(f"after {await client.exists('arq:result:1')}")

    await send(client, tell(7), "1")
    hooks = {"on_job_start": start, "on_job_end": end, "after_job_end": after}
    await work(client, run(tell, told), **hooks)
    assert heard == ["start 1 1", "end 0", "after 1"]


@pytest.mark.parametrize("hook", ["on_job_start", "on_job_end"])
async def test_a_hook_that_raises_fails_its_job_only(client: QueueClient, hook: str) -> None:
    """The worker goes on, and the job has failed with the hook's error."""

    async def broken(ctx: Context) -> None:
        if ctx["job_id"] == "1":
            raise RuntimeError("a broken hook")

    await send(client, tell(7), "1")
    await send(client, tell(8), "2")
    await work(client, run(tell, told), **{hook: broken})
    view = await seen(client, "1")
    assert view.state is JobState.FAILED
    assert view.error is not None
    assert view.error.message == "a broken hook"
    assert (await seen(client, "2")).result == 8


async def test_after_job_end_may_raise(
    client: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The outcome is written by then; it is logged."""

    async def broken(ctx: Context) -> None:
        raise RuntimeError("a broken hook")

    await send(client, tell(7), "1")
    await work(client, run(tell, told), after_job_end=broken)
    assert (await seen(client, "1")).state is JobState.SUCCEEDED
    assert "after_job_end failed" in caplog.text
