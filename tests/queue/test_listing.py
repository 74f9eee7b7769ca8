"""What runs, what is due and what is scheduled, over several queues."""

from datetime import UTC, datetime, timedelta

import pytest

from service.errors import InvalidInput
from service.queue import JobState, QueueClient
from service.queue.listing import active, scheduled, waiting
from tests.queue.examples import KEY, echo

pytestmark = pytest.mark.asyncio
OTHER = "almanac:another"


def in_(seconds: float) -> datetime:
    """Return a time from now, to the millisecond."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def ids(client: QueueClient, size: int, which: str = "scheduled") -> list[list[str]]:
    """Return the ids of all pages."""
    pages, after = [], None
    list_them = {"scheduled": scheduled, "waiting": waiting}[which]
    while True:
        page = await list_them(client, [KEY, OTHER], size, after)
        pages.append([job.view.job_id for job in page.items])
        if (after := page.next) is None:
            return pages


async def test_scheduled_jobs_by_their_time(client: QueueClient) -> None:
    """G040, N023, T032: with due time and arguments, over all queues, with no worker up."""
    due = in_(60)
    await client.enqueue(echo(number=1).deferred(until=in_(120), job_id="later"))
    await client.enqueue(echo(number=2).deferred(until=due, job_id="sooner"))
    await client.enqueue(echo(number=3).deferred(job_id="now"))
    await client.enqueue_job("other", 4, _queue_name=OTHER, _job_id="o", _defer_until=in_(90))
    found = await scheduled(client, [KEY, OTHER], 10)
    assert [job.view.job_id for job in found.items] == ["sooner", "o", "later"]
    assert found.next is None
    view = found.items[0].view
    assert (view.function, view.kwargs, view.run_at) == ("examples.echo", {"number": 2}, due)
    assert (view.state, found.items[0].worker) == (JobState.DEFERRED, None)
    assert found.items[1].view.args == (4,)
    assert await ids(client, 10, "waiting") == [["now"]]


async def test_pages_follow_each_other(client: QueueClient) -> None:
    """Also where many jobs have one time, in several queues, and their last one has gone."""
    moment = in_(60)
    names = sorted(f"{n:02}" for n in range(23))
    for n, name in enumerate(names):
        queue = (KEY, OTHER)[n % 2]
        await client.enqueue_job("x", _queue_name=queue, _job_id=name, _defer_until=moment)
    await client.enqueue_job("x", _queue_name=KEY, _job_id="last", _defer_until=in_(61))
    pages = await ids(client, 5)
    assert [len(page) for page in pages] == [5, 5, 5, 5, 4]
    assert [job_id for page in pages for job_id in page] == [*names, "last"]
    first = await scheduled(client, [KEY, OTHER], 5)
    await client.zrem(KEY, "04")
    second = await scheduled(client, [KEY, OTHER], 5, first.next)
    assert [job.view.job_id for job in second.items] == names[5:10]


async def test_the_low_lane_is_due_at_its_time(client: QueueClient) -> None:
    """It stands behind its time in the queue: what is due is not scheduled."""
    await client.enqueue(echo(number=1).in_lane("low").deferred(job_id="due"))
    await client.enqueue(echo(number=1).in_lane("low").deferred(until=in_(60), job_id="later"))
    found = await scheduled(client, [KEY], 10)
    assert [job.view.job_id for job in found.items] == ["later"]
    assert found.items[0].view.run_at is not None
    assert found.items[0].view.run_at < in_(61)


async def test_what_somebody_holds_runs(client: QueueClient) -> None:
    """G039: whoever holds it; a claim whose lease has ended is none."""
    for job_id in ("ours", "crashed", "stocks"):
        await client.enqueue(echo(number=1).deferred(job_id=job_id))
    await client.hset(f"{KEY}:claims", mapping={"ours": "w.1:5", "crashed": "w.1:4", "": " "})  # type: ignore[misc] # redis-py
    await client.set("arq:in-progress:ours", "w.1:5", px=10_000)
    await client.set("arq:in-progress:stocks", "1", px=10_000)
    found = await active(client, [KEY, OTHER], 10)
    assert [job.view.job_id for job in found] == ["ours", "stocks"]
    assert {job.view.state for job in found} == {JobState.RUNNING}
    assert [(job.worker, job.view.started_at, job.view.tries) for job in found] == [
        (None, None, 1),
        (None, None, 1),
    ]
    assert await ids(client, 10, "waiting") == [["crashed"]]
    await client.flushdb()


async def test_what_cannot_be_read_is_listed(client: QueueClient) -> None:
    """A payload of another kind, an expired one and a leftover id hide no other job."""
    await client.zadd(KEY, {"pickle": 5, "expired": 6})
    await client.set("arq:job:pickle", b"\x80\x04.")
    await client.enqueue(echo(number=1).deferred(job_id="good"))
    found = await waiting(client, [KEY], 10)
    assert [(job.view.job_id, job.view.function) for job in found.items] == [
        ("pickle", "<unknown>"),
        ("expired", "<unknown>"),
        ("good", "examples.echo"),
    ]
    await client.flushdb()


@pytest.mark.parametrize("after", ["", "x", "1", ":a", "-1:a", "9" * 16 + ":a", "²:a"])
async def test_no_place_in_a_list(client: QueueClient, after: str) -> None:
    with pytest.raises(InvalidInput, match="cursor: is none of this list"):
        await scheduled(client, [KEY], 10, after)


async def test_nothing_is_there(client: QueueClient) -> None:
    assert await active(client, [KEY], 10) == []
    assert await scheduled(client, [KEY], 10) == ([], None)
    assert await waiting(client, [], 10) == ([], None)
