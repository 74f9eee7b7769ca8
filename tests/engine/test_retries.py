"""What a job's policy makes of its errors."""

import logging
import time
from itertools import pairwise

import pytest
from arq import Retry, func

from service.queue import JobState, QueueClient, RetryPolicy, dead_jobs, job
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, work
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio

EARLY = 0.005
"""Seconds: the wait begins when the run has ended, and its end is a whole millisecond."""


class Unauthorized(Exception):
    """As a platform's answer 401."""


class TooManyRequests(Exception):
    """As an answer 429, with the time that it names."""

    retry_after = 0.4


class Unavailable(Exception):
    """As an answer 503."""


BACKOFF = RetryPolicy(
    tries=4, delay=0.15, factor=2, jitter=0, permanent=(Unauthorized,), transient=(Exception,)
)


@job("engine.call", queue=QUEUE, coroutine=f"{HERE}.call", retry=BACKOFF)
async def call(answers: list[int]) -> str:
    """Meet one answer after the other."""
    raise NotImplementedError


@job("engine.twice", queue=QUEUE, coroutine=f"{HERE}.twice", retry=RetryPolicy(tries=2, delay=0))
async def twice() -> None:
    """Fail."""


ERRORS = {401: Unauthorized("401"), 429: TooManyRequests("429"), 503: Unavailable("503")}


class Calls:
    """A job that meets its answers in turn, and when it did."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.function = run(call, self.call)

    async def call(self, ctx: Context, answers: list[int]) -> str:
        """Meet the next answer, the last one again and again."""
        self.at.append(time.monotonic())
        answer = answers[min(int(ctx["job_try"]), len(answers)) - 1]
        if answer in ERRORS:
            raise ERRORS[answer]
        return f"done in try {ctx['job_try']}"

    @property
    def waits(self) -> list[float]:
        """The seconds between its runs."""
        return [later - earlier for earlier, later in pairwise(self.at)]


async def test_waits_grow_by_the_factor(
    client: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """G083, T052, V015, T055: three retries after d, 2d and 4d; then failed with the last error."""
    calls, job_id = Calls(), await send(client, call([503]))
    with caplog.at_level(logging.WARNING, logger="workers.engine.execution"):
        await work(client, calls.function)
    assert len(calls.waits) == 3
    for wait, expected in zip(calls.waits, (0.15, 0.3, 0.6), strict=True):
        assert expected - EARLY <= wait < expected + 0.14
    retries = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert retries == [
        f"job {job_id} failed in try {n} of 4, and runs again in {wait} s: Unavailable: 503"
        for n, wait in ((1, "0.15"), (2, "0.30"), (3, "0.60"))
    ]
    view = await seen(client, job_id)
    assert (view.state, view.tries) == (JobState.FAILED, 4)
    assert view.error is not None
    assert (view.error.type.rpartition(".")[2], view.error.message) == ("Unavailable", "503")


async def test_transient_errors_pass(client: QueueClient) -> None:
    """V044, N064: 503, 503, then success on the third try."""
    calls, job_id = Calls(), await send(client, call([503, 503, 200]))
    worker = await work(client, calls.function)
    view = await seen(client, job_id)
    assert (view.state, view.tries, view.result) == (JobState.SUCCEEDED, 3, "done in try 3")
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (1, 2, 0)
    assert not await client.exists(f"{KEY}:attempts:{job_id}")


async def test_a_permanent_error_ends_it(client: QueueClient) -> None:
    """V046: a 401 is not tried again."""
    calls, job_id = Calls(), await send(client, call([401]))
    await work(client, calls.function)
    assert len(calls.at) == 1
    assert (await seen(client, job_id)).state is JobState.FAILED


async def test_an_error_says_when(client: QueueClient) -> None:
    """V046: a 429 waits for the time that it names, not for the backoff."""
    calls, job_id = Calls(), await send(client, call([429, 200]))
    await work(client, calls.function)
    (wait,) = calls.waits
    assert 0.4 - EARLY <= wait < 0.54
    assert (await seen(client, job_id)).state is JobState.SUCCEEDED


async def test_each_job_has_its_own_limit(client: QueueClient) -> None:
    """V045: the number of tries is the job's."""
    runs = 0

    async def fail(ctx: Context) -> None:
        nonlocal runs
        runs += 1
        raise Unavailable

    calls = Calls()
    ids = [await send(client, twice()), await send(client, call([503]))]
    await work(client, run(twice, fail), calls.function)
    assert (runs, len(calls.at)) == (2, 4)
    assert [(await seen(client, job_id)).tries for job_id in ids] == [2, 4]
    assert {d.view.job_id: len(d.attempts) for d in await dead_jobs(client, KEY)} == dict(
        zip(ids, (2, 4), strict=True)
    )


async def test_a_job_that_waits_shows_its_last_error(client: QueueClient) -> None:
    """While it waits for its next try, its state and error say why."""
    job_id = await send(client, call([503]))
    await work(client, Calls().function, max_burst_jobs=1)
    view = await seen(client, job_id)
    assert (view.state, view.tries) == (JobState.RETRYING, 1)
    assert view.error is not None
    assert view.error.message == "503"


async def test_arqs_retry_of_a_declared_job_is_a_try(client: QueueClient) -> None:
    """`raise Retry(defer=…)` waits as it says, and the policy's tries bound it."""
    at = []

    async def again(ctx: Context) -> None:
        at.append(time.monotonic())
        raise Retry(defer=0.1)

    job_id = await send(client, twice())
    await work(client, run(twice, again))
    (wait,) = [later - earlier for earlier, later in pairwise(at)]
    assert 0.1 - EARLY <= wait < 0.25
    view = await seen(client, job_id)
    assert view.state is JobState.FAILED
    assert view.error is not None
    assert view.error.message == "max 2 retries exceeded"


async def test_plain_functions_fail_as_arqs_do(client: QueueClient) -> None:
    """Without a declared policy an exception ends the job, and nothing is kept to be replayed."""
    runs = 0

    async def plain(ctx: Context) -> None:
        nonlocal runs
        runs += 1
        raise Unavailable("503")

    handle = await client.enqueue_job("plain", _queue_name=KEY)
    assert handle is not None
    await work(client, func(plain, name="plain"))
    assert runs == 1
    assert (await seen(client, handle.job_id, queue=KEY)).state is JobState.FAILED
    assert await dead_jobs(client, KEY) == []
