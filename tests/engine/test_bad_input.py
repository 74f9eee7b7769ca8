"""Input that no worker can run: the job is kept, its error is clear, the next one runs."""

import asyncio
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from service.queue import (
    JobState,
    PayloadTooLarge,
    QueueClient,
    Rate,
    RetryPolicy,
    dead_jobs,
    job,
)
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, serving, until, work
from tests.queue.examples import Exploit
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio


@job("engine.eat", queue=QUEUE, coroutine=f"{HERE}.eat", retry=RetryPolicy(tries=1))
async def eat(portions: int) -> Any:
    """Take a number."""
    raise NotImplementedError


@job("engine.sip", queue=QUEUE, coroutine=f"{HERE}.sip", rate=Rate(5, 1, key="portions"))
async def sip(portions: int) -> Any:
    """Take a number, now and then."""
    raise NotImplementedError


async def eaten(ctx: Context, portions: int) -> Any:
    """Return what cannot be JSON for 13."""
    return object() if portions == 13 else portions


FUNCTIONS = run(eat, eaten), run(sip, eaten)
BODY = {"v": 1, "f": "engine.eat", "a": [], "k": {"portions": 1}, "t": None, "et": 1}


async def store(client: QueueClient, payload: bytes, job_id: str = "bad") -> None:
    """Queue a payload as it is, with a good job behind it."""
    await client.set(f"arq:job:{job_id}", payload)
    await client.zadd(KEY, {job_id: 1000})
    await send(client, eat(2), "good")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x80\x05K\x01.", "the payload is a pickle"),
        (b"not json", "the payload is not JSON"),
        (b"[1]", "the payload is no job of arq"),
        (json.dumps(BODY | {"v": 99}).encode(), "the payload has version 99"),
        (json.dumps(BODY | {"k": {"portions": "x"}}).encode(), "argument portions of engine.eat"),
        (json.dumps(BODY | {"k": {"pots": 1}}).encode(), "unknown argument pots for engine.eat"),
        (json.dumps(BODY | {"a": [1, 2], "k": {}}).encode(), "2 positional arguments for"),
        (json.dumps(BODY | {"k": {}}).encode(), "missing 1 required positional argument"),
        (json.dumps(BODY | {"f": "engine.sip", "k": {}}).encode(), "missing a required argument"),
    ],
)
async def test_payloads_that_cannot_be_run(
    client: QueueClient, payload: bytes, message: str
) -> None:
    """The job dies at once with its payload and the reason; the worker goes on."""
    await store(client, payload)
    worker = await work(client, *FUNCTIONS)
    assert (await seen(client, "good")).state is JobState.SUCCEEDED
    (dead,) = await dead_jobs(client, KEY)
    assert (dead.view.job_id, dead.payload) == ("bad", payload)
    assert message in dead.attempts[-1].message
    assert (worker.jobs_complete, worker.jobs_failed) == (1, 1)
    result = json.loads(await client.get("arq:result:bad"))
    assert result["s"] is False
    assert message in result["r"]["message"]


async def test_a_pickle_is_never_executed(client: QueueClient, tmp_path: Path) -> None:
    """G063: a pickle that would run code on reading is rejected unread."""
    target = tmp_path / "executed"
    await store(client, pickle.dumps({"f": "engine.eat", "a": (Exploit(target),)}))
    await work(client, *FUNCTIONS)
    assert len(await dead_jobs(client, KEY)) == 1
    assert not target.exists()


async def test_a_result_that_is_no_json(client: QueueClient) -> None:
    """The job has failed, says so, and is kept."""
    job_id = await send(client, eat(13))
    worker = await work(client, *FUNCTIONS)
    view = await seen(client, job_id)
    assert view.state is JobState.FAILED
    assert view.error is not None
    assert "engine.eat" in view.error.message
    assert "object" in view.error.message
    (dead,) = await dead_jobs(client, KEY)
    assert dead.view.kwargs == {"portions": 13}
    assert worker.jobs_failed == 1


async def test_too_large_a_payload_is_refused(client: QueueClient) -> None:
    """Nothing is sent, and the error says the size, the limit and what to do."""
    with pytest.raises(PayloadTooLarge, match=r"1,048,576 are allowed; pass an id or a URL"):
        await client.enqueue_job("engine.eat", "x" * 1_100_000, _queue_name=KEY)
    assert await client.dbsize() == 0


async def test_an_expired_payload_is_told(client: QueueClient) -> None:
    """An id without payload ends as arq's "job expired" and is kept as dead, never silently."""
    await client.zadd(KEY, {"gone": 1000})
    await work(client, *FUNCTIONS)
    (dead,) = await dead_jobs(client, KEY)
    assert (dead.view.job_id, dead.payload) == ("gone", b"")
    assert [each.message for each in dead.attempts] == ["job expired"]
    assert (await seen(client, "gone")).state is JobState.FAILED


async def test_an_unknown_function_is_given_back(
    client: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It is never deleted; its wait grows, and it uses no try, until a worker has it."""
    await send(client, eat(1), "one")
    async with serving(client, FUNCTIONS[1]):
        await until(lambda: "given back for 1 s" in caplog.text)
        await until(lambda: "given back for 2 s" in caplog.text)
        assert "needs the function 'engine.eat', which this worker lacks" in caplog.text
    await asyncio.sleep(0.05)
    score = await client.zscore(KEY, "one")
    assert score is not None
    assert 1 < score / 1000 - time.time() <= 2.1
    await work(client, *FUNCTIONS)
    view = await seen(client, "one")
    assert (view.state, view.tries, view.result) == (JobState.SUCCEEDED, 1, 1)
