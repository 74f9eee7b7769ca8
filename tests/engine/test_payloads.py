"""What is stored of a job: JSON, results with their time to live, headers, secrets."""

import json
import logging

import pytest

from service.kit.crypto import Keyring
from service.queue import (
    HEADERS,
    DeadFilter,
    JobState,
    QueueClient,
    RetryPolicy,
    dead_jobs,
    job,
    replay,
    use_keyring,
)
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, work
from tests.queue.raw import everything
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio
SECRET = "hunter2-do-not-tell"


@job("engine.keep", queue=QUEUE, coroutine=f"{HERE}.keep", keep_result=3600)
async def keep(number: int) -> dict[str, int]:
    """Leave a result for an hour."""
    raise NotImplementedError


@job("engine.forget", queue=QUEUE, coroutine=f"{HERE}.forget", keep_result=0)
async def forget() -> int:
    """Leave no result."""
    raise NotImplementedError


@job(
    "engine.secret",
    queue=QUEUE,
    coroutine=f"{HERE}.secret",
    sensitive=True,
    retry=RetryPolicy(tries=2, delay=0),
)
async def secret(password: str) -> str:
    """Use a secret."""
    raise NotImplementedError


async def kept(ctx: Context, number: int) -> dict[str, int]:
    """Return something."""
    return {"number": number}


async def test_payload_and_result_are_json(client: QueueClient) -> None:
    """G063, T042, K012: what is stored of a job can be read as JSON text before and after."""
    job_id = await send(client, keep(7))
    payload = json.loads(await client.get(f"arq:job:{job_id}"))
    assert (payload["f"], payload["k"]) == ("engine.keep", {"number": 7})
    await work(client, run(keep, kept))
    result = json.loads(await client.get(f"arq:result:{job_id}"))
    assert (result["s"], result["r"], result["k"]) == (True, {"number": 7}, {"number": 7})


async def test_a_result_has_its_time_to_live(client: QueueClient) -> None:
    """G059, G064, T044: the result's key ends after the declared time."""
    job_id = await send(client, keep(7))
    await work(client, run(keep, kept))
    assert 3_590_000 < await client.pttl(f"arq:result:{job_id}") <= 3_600_000


async def test_no_result_no_key(client: QueueClient) -> None:
    """G059: with 0 none is kept."""

    async def forgotten(ctx: Context) -> int:
        return 1

    job_id = await send(client, forget())
    await work(client, run(forget, forgotten))
    assert await client.keys(f"*{job_id}*") == []


async def test_headers_reach_the_job_and_what_it_sends(client: QueueClient) -> None:
    """Trace and actor go along from the sender through the job to the jobs it sends."""
    heard: list[tuple[int, dict[str, str]]] = []

    async def relay(ctx: Context, number: int) -> dict[str, int]:
        heard.append((number, dict(HEADERS.get())))
        if number:
            await ctx["redis"].enqueue(keep(number - 1))
        return {}

    token = HEADERS.set({"trace": "t-1", "actor": "ada"})
    try:
        await send(client, keep(2))
    finally:
        HEADERS.reset(token)
    await work(client, run(keep, relay))
    alone = await send(client, keep(0))
    await work(client, run(keep, relay))
    headers = {"trace": "t-1", "actor": "ada"}
    assert heard == [(2, headers), (1, headers), (0, headers), (0, {"trace": alone})]


class Safe:
    """A job that needs a secret, and tells it in its error while it is broken."""

    def __init__(self) -> None:
        self.broken = True
        self.function = run(secret, self.secret)

    async def secret(self, ctx: Context, password: str) -> str:
        """Return or raise the secret."""
        if self.broken:
            raise ValueError(f"wrong password {password}")
        return f"opened by {password}"


async def test_secrets_stay_secret(client: QueueClient, caplog: pytest.LogCaptureFixture) -> None:
    """Neither payload, errors, dead job, result, events nor log lines show a sensitive value."""
    use_keyring(Keyring(["a key that only tests use"]))
    safe = Safe()
    try:
        with caplog.at_level(logging.DEBUG):
            job_id = await send(client, secret(SECRET))
            assert SECRET not in repr(await everything(client))
            await work(client, safe.function)
            assert SECRET not in repr(await everything(client))
            (dead,) = await dead_jobs(client, KEY, unmask=True)
            assert [each.message for each in dead.attempts] == [f"wrong password {SECRET}"] * 2
            assert dead.view.kwargs == {"password": SECRET}
            safe.broken = False
            await replay(client, KEY, DeadFilter(ids=[job_id]))
            await work(client, safe.function)
        assert SECRET not in repr(await everything(client))
        assert (await seen(client, job_id, unmask=True)).result == f"opened by {SECRET}"
        assert (await seen(client, job_id)).state is JobState.SUCCEEDED
        assert SECRET not in repr(await seen(client, job_id))
        ours = [r for r in caplog.records if r.name.startswith(("workers", "service"))]
        assert len(ours) > 2
        assert SECRET not in caplog.text
    finally:
        use_keyring(None)
