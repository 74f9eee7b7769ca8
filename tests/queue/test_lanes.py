"""Priority within a queue: indexes beside the one set that holds every id."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from redis.exceptions import ResponseError

from service.queue import JobState, Lane, QueueClient, inspect, move_lane
from service.queue.codec import deserialize
from service.queue.entries import AGEING_MS
from tests.queue.examples import KEY, Runs, echo, stock_worker, urgent

pytestmark = pytest.mark.asyncio

AT = datetime(2040, 1, 1, tzinfo=UTC)
AT_MS = 2208988800000
LANES: tuple[Lane, ...] = ("high", "normal", "low")


async def places(client: QueueClient, job_id: str) -> list[float | None]:
    """Return the job's scores: in the high index, in the queue, in the low index."""
    return [await client.zscore(key, job_id) for key in (f"{KEY}:high", KEY, f"{KEY}:low")]


EXPECTED: dict[Lane, list[float | None]] = {
    "high": [AT_MS, AT_MS, None],
    "normal": [None, AT_MS, None],
    "low": [None, AT_MS + AGEING_MS, AT_MS],
}


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("again", [False, True])
async def test_every_id_is_in_the_queue_and_in_the_index_of_its_lane(
    client: QueueClient, lane: Lane, again: bool
) -> None:
    """G080: what the claim reads first is written with the job."""
    call = echo(number=1).deferred(until=AT, job_id="one").in_lane(lane)
    if again:
        assert await client.requeue_many([call]) == [True]
    else:
        assert await client.enqueue(call)
    assert await places(client, "one") == EXPECTED[lane]
    view = await inspect(client, "one")
    assert view is not None
    assert (view.state, view.run_at, view.lane) == (JobState.DEFERRED, AT, lane)


async def test_a_job_of_low_priority_waits_as_long_as_others_when_it_is_due(
    client: QueueClient,
) -> None:
    await client.enqueue(echo(number=1).deferred(job_id="one").in_lane("low"))
    view = await inspect(client, "one")
    assert view is not None
    assert view.state is JobState.QUEUED


async def test_lanes_of_one_batch_keep_apart(client: QueueClient) -> None:
    calls = [
        echo(number=i).deferred(until=AT, job_id=f"{lane}{i}").in_lane(lane)
        for i in range(120)
        for lane in LANES
    ]
    assert all(await client.enqueue_many(calls))
    assert await client.zcard(KEY) == 360
    for lane in ("high", "low"):
        ids = await client.zrange(f"{KEY}:{lane}", 0, -1)
        assert {i.decode() for i in ids} == {f"{lane}{i}" for i in range(120)}


async def test_enqueue_job_takes_the_declared_lane_or_the_given_one(client: QueueClient) -> None:
    lanes: dict[str, Lane | None] = {"declared": None, "given": "low"}
    for job_id, lane in lanes.items():
        sent = await client.enqueue_job(
            urgent.name, _job_id=job_id, _queue_name=KEY, _defer_until=AT, _lane=lane
        )
        assert sent is not None
    assert await places(client, "declared") == EXPECTED["high"]
    assert await places(client, "given") == EXPECTED["low"]
    with pytest.raises(ValueError, match="lane is 'urgent'"):
        await client.enqueue_job(urgent.name, _lane="urgent")  # type: ignore[arg-type] # on purpose


async def test_arqs_client_and_worker_see_every_lane(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue_many(
        [echo(number=1, text=lane).deferred(job_id=lane).in_lane(lane) for lane in LANES]
    )
    status = {lane: await Job(lane, stock, KEY, deserialize).status() for lane in LANES}
    assert status == {
        "high": JobStatus.queued,
        "normal": JobStatus.queued,
        "low": JobStatus.deferred,
    }
    await stock_worker(stock, Runs(), max_burst_jobs=2).async_run()
    assert await Job("high", stock, KEY, deserialize).result() == "high"


@pytest.mark.parametrize("origin", LANES)
@pytest.mark.parametrize("lane", LANES)
async def test_a_waiting_job_changes_its_lane(
    client: QueueClient, origin: Lane, lane: Lane
) -> None:
    await client.enqueue(echo(number=1).deferred(until=AT, job_id="one").in_lane(origin))
    assert await move_lane(client, KEY, "one", lane) is True
    assert await places(client, "one") == EXPECTED[lane]


async def test_a_leased_job_an_aborted_one_and_an_unknown_one_stay(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(until=AT, job_id="leased"))
    await client.set("arq:in-progress:leased", "a:1", px=10_000)
    await client.zadd(KEY, {"aborted": 1})
    for job_id in ("leased", "aborted", "unknown"):
        assert await move_lane(client, KEY, job_id, "high") is False
    assert await client.zrange(KEY, 0, -1, withscores=True) == [(b"aborted", 1), (b"leased", AT_MS)]
    assert await client.exists(f"{KEY}:high", f"{KEY}:low") == 0


@pytest.mark.parametrize("lane", ["high", "low"])
async def test_an_index_of_another_kind_leaves_no_half_written_job(
    client: QueueClient, lane: Lane
) -> None:
    await client.set(f"{KEY}:{lane}", "not a sorted set")
    call = echo(number=1).deferred(job_id="one").in_lane(lane)
    for send in (client.enqueue_many, client.requeue_many):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await send([call])
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await client.enqueue(call.unique(60))
    assert await client.dbsize() == 1


async def test_payloads_expire_only_when_asked(client: QueueClient) -> None:
    await client.enqueue_job("elsewhere", _job_id="kept", _defer_by=60)
    await client.enqueue_job("elsewhere", _job_id="short", _expires=timedelta(seconds=30))
    assert await client.pttl("arq:job:kept") == -1
    assert 29_000 < await client.pttl("arq:job:short") <= 30_000


async def test_enqueue_job_defers_as_arq(client: QueueClient, stock: ArqRedis) -> None:
    options: list[dict[str, Any]] = [
        {"_defer_until": AT},
        {"_defer_until": datetime(2040, 1, 1)},  # noqa: DTZ001 - local time, as arq takes it
        {"_defer_by": 60},
        {"_defer_by": 1.5},
        {"_defer_by": timedelta(minutes=1)},
        {"_defer_by": 0},
        {"_job_try": 3},
    ]
    for i, given in enumerate(options):
        scores = []
        for sender, job_id in ((client, f"ours{i}"), (stock, f"theirs{i}")):
            assert await sender.enqueue_job("x.y", 1, _job_id=job_id, _queue_name=KEY, **given)
            scores.append(await client.zscore(KEY, job_id))
            info = await Job(job_id, stock, KEY, deserialize).info()
            assert info is not None
            assert (info.args, info.job_try) == ((1,), given.get("_job_try"))
        assert abs(scores[0] - scores[1]) < 500, given
    for sender in (client, stock):
        with pytest.raises(RuntimeError, match="use either 'defer_until' or 'defer_by'"):
            await sender.enqueue_job("x.y", _defer_until=AT, _defer_by=1)


async def test_enqueue_job_refuses_a_known_id(client: QueueClient) -> None:
    await client.set("arq:result:ended", b"{}")
    assert await client.enqueue_job("x.y", _job_id="one") is not None
    assert await client.enqueue_job("x.y", _job_id="one") is None
    assert await client.enqueue_job("x.y", _job_id="ended") is None
    assert await client.zrange("almanac:default", 0, -1) == [b"one"]
