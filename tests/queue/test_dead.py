"""Dead jobs: kept with payload and errors, replayable one by one, by filter or all."""

from collections.abc import Sequence

import pytest

from service.errors import Conflict
from service.kit.crypto import Keyring
from service.queue import (
    DeadFilter,
    DeadJob,
    JobCall,
    QueueClient,
    Replayed,
    dead_jobs,
    discard,
    find_dead,
    replay,
    use_keyring,
)
from service.queue.codec import serialize_failure
from service.queue.entries import AGEING_MS
from service.queue.sealing import MASK
from tests.queue.examples import KEY, Rows, Unknown, echo, fail, owned, secret, urgent
from tests.queue.leaks import leaked_keys
from tests.queue.raw import everything, raw

pytestmark = pytest.mark.asyncio

DIED = 1_700_000_000_000


async def die(
    client: QueueClient, call: JobCall, *errors: BaseException, died: int = DIED
) -> bytes:
    """Leave a job as the engine leaves one that is dead; return its payload."""
    assert call.job_id is not None
    await client.enqueue(call)
    payload: bytes = await client.get(f"arq:job:{call.job_id}")
    for error in errors:
        written = serialize_failure(call.name, error)
        await raw(client, "RPUSH", f"{KEY}:attempts:{call.job_id}", written)
    for index in (KEY, f"{KEY}:high", f"{KEY}:low"):
        await client.zrem(index, call.job_id)
    await client.delete(f"arq:job:{call.job_id}")
    await client.zadd(f"{KEY}:dead", {call.job_id: died})
    await raw(client, "HSET", f"{KEY}:dead:jobs", call.job_id, payload)
    await client.set(f"arq:result:{call.job_id}", b"{}")
    return payload


async def die_many(client: QueueClient, count: int, *, each: int = 1) -> None:
    for i in range(count):
        await die(client, echo(number=i).deferred(job_id=f"{i:03}"), died=DIED + i // each)


def ids(jobs: Sequence[DeadJob]) -> list[str]:
    return [job.view.job_id for job in jobs]


async def found(client: QueueClient, which: DeadFilter) -> list[str]:
    return [job_id async for page in find_dead(client, KEY, which) for job_id in ids(page)]


async def test_a_dead_job_is_kept_with_payload_and_errors(client: QueueClient) -> None:
    """V049: an exhausted job appears with its payload and every error."""
    payload = await die(client, fail("key").deferred(job_id="one"), OSError("a"), Unknown("b"))
    (job,) = await dead_jobs(client, KEY)
    assert job.payload == payload
    assert (job.view.function, job.view.kwargs) == ("examples.fail", {"kind": "key"})
    assert (job.view.state, job.view.tries) == ("failed", 2)
    assert job.died_at.timestamp() * 1000 == DIED
    assert [(f.type, f.message) for f in job.attempts] == [
        ("OSError", "a"),
        ("tests.queue.examples.Unknown", "b"),
    ]
    assert job.view.error == job.attempts[-1]
    assert await dead_jobs(client, "almanac:letters") == []


@pytest.mark.parametrize("each", [1, 7, 250])
async def test_pages_show_each_dead_job_once(client: QueueClient, each: int) -> None:
    """Also when many died in the same millisecond."""
    await die_many(client, 25, each=each)
    seen: list[str] = []
    page = await dead_jobs(client, KEY, limit=4)
    while page:
        seen += ids(page)
        page = await dead_jobs(client, KEY, limit=4, before=page[-1])
    assert seen == [f"{i:03}" for i in reversed(range(25))]


async def test_a_page_goes_on_after_a_job_that_is_gone(client: QueueClient) -> None:
    await die_many(client, 6)
    page = await dead_jobs(client, KEY, limit=2)
    await discard(client, KEY, DeadFilter(ids=ids(page)))
    assert ids(await dead_jobs(client, KEY, limit=2, before=page[-1])) == ["003", "002"]


async def test_what_cannot_be_read_is_shown_with_its_bytes(client: QueueClient) -> None:
    """G063: a pickle becomes a dead job and stays what it was."""
    await client.zadd(f"{KEY}:dead", {"pickled": DIED, "expired": DIED + 1})
    await raw(client, "HSET", f"{KEY}:dead:jobs", "pickled", b"\x80\x05.", "expired", b"")
    expired, pickled = await dead_jobs(client, KEY)
    assert pickled.payload == b"\x80\x05."
    assert pickled.unreadable is not None
    assert pickled.unreadable.startswith("the payload is a pickle")
    assert (pickled.view.function, pickled.view.error) == ("<unknown>", None)
    assert (expired.payload, expired.unreadable) == (b"", None)


async def test_sensitive_values_are_masked(client: QueueClient) -> None:
    use_keyring(Keyring(["a secret for tests"]))
    try:
        await die(client, secret(token="hunter2").deferred(job_id="one"), ValueError("hunter2"))
        assert "hunter2" not in str(await everything(client))
        (masked,) = await dead_jobs(client, KEY)
        assert "hunter2" not in str(masked)
        assert masked.view.kwargs["token"] == masked.attempts[0].message == MASK
        (shown,) = await dead_jobs(client, KEY, unmask=True)
        assert (shown.view.kwargs["token"], shown.attempts[0].message) == ("hunter2", "hunter2")
        assert await replay(client, KEY, DeadFilter()) == Replayed(1, 0)
        assert "hunter2" not in str(await everything(client))
    finally:
        use_keyring(None)


async def test_filters(client: QueueClient) -> None:
    await die(client, echo(number=1).deferred(job_id="a"), OSError(), Unknown())
    await die(client, fail("key").deferred(job_id="b"), Unknown(), OSError())
    await die(client, fail("key").deferred(job_id="c"))
    assert await found(client, DeadFilter()) == ["c", "b", "a"]
    assert await found(client, DeadFilter(function="examples.fail")) == ["c", "b"]
    assert await found(client, DeadFilter(error="OSError")) == ["b"]
    assert await found(client, DeadFilter(error="Unknown")) == ["a"]
    assert await found(client, DeadFilter(error="tests.queue.examples.Unknown")) == ["a"]
    assert await found(client, DeadFilter(error="nknown")) == []
    assert await found(client, DeadFilter(function="examples.fail", error="Unknown")) == []
    assert await found(client, DeadFilter(ids=["a", "x", "b"], error="Unknown")) == ["a"]
    assert await found(client, DeadFilter(ids=[])) == []


async def test_a_replay_runs_the_job_as_if_it_never_had(client: QueueClient) -> None:
    """V049: it can be requeued, with its id and payload, whatever its last run left."""
    payload = await die(client, echo(number=1).deferred(job_id="one"), OSError())
    await die(client, echo(number=2).deferred(job_id="two"), OSError())
    await client.set("arq:retry:one", 5)
    await client.zadd("arq:abort", {"one": 1})
    await raw(client, "HSET", f"{KEY}:crashes", "one", "3")
    await raw(client, "HSET", f"{KEY}:claims", "one", "a:1")
    assert await replay(client, KEY, DeadFilter(ids=["one"])) == Replayed(replayed=1, left=0)
    assert await client.get("arq:job:one") == payload
    assert await client.zscore(KEY, "one") > DIED
    assert await client.exists("arq:result:one", "arq:retry:one", f"{KEY}:attempts:one") == 0
    assert await client.exists("arq:abort", f"{KEY}:crashes", f"{KEY}:claims") == 0
    assert ids(await dead_jobs(client, KEY)) == ["two"]
    assert await leaked_keys(client) == []


async def test_a_replay_keeps_the_declared_lane(client: QueueClient) -> None:
    await die(client, urgent().deferred(job_id="one"))
    await replay(client, KEY, DeadFilter())
    score = await client.zscore(KEY, "one")
    assert await client.zscore(f"{KEY}:high", "one") == score
    assert AGEING_MS == 300_000


async def test_all_can_be_replayed(client: QueueClient) -> None:
    await die_many(client, 250)
    assert await replay(client, KEY, DeadFilter()) == Replayed(replayed=250, left=0)
    assert await client.zcard(KEY) == 250
    assert await dead_jobs(client, KEY) == []


async def test_what_cannot_run_again_stays_dead(client: QueueClient) -> None:
    await die(client, echo(number=1).deferred(job_id="queued again"))
    await client.delete("arq:result:queued again")
    await client.enqueue(echo(number=2).deferred(job_id="queued again"))
    await client.zadd(f"{KEY}:dead", {"expired": DIED})
    await raw(client, "HSET", f"{KEY}:dead:jobs", "expired", b"")
    before = await everything(client)
    assert await replay(client, KEY, DeadFilter()) == Replayed(replayed=0, left=2)
    assert await replay(client, KEY, DeadFilter(ids=["nobody"])) == Replayed(0, 0)
    assert await everything(client) == before


async def test_a_replay_of_an_owned_job_is_its_owners(client: QueueClient) -> None:
    for row in range(2):
        await die(client, owned(row=row).deferred(job_id=f"{row}"))
    before = await everything(client)
    with pytest.raises(Conflict, match=r"examples\.owned belongs to a row"):
        await replay(client, KEY, DeadFilter())
    assert await everything(client) == before
    rows = Rows()
    assert await replay(client, KEY, DeadFilter(), resolve=rows.resolve) == Replayed(1, 1)
    assert sorted(rows.replayed) == [0, 1]
    assert await client.zrange(KEY, 0, -1) == [b"0:again"]
    assert ids(await dead_jobs(client, KEY)) == ["1"]


async def test_dead_jobs_can_be_discarded(client: QueueClient) -> None:
    """V049: or it is discarded, with all that was kept of it."""
    await die_many(client, 120)
    await die(client, fail("key").deferred(job_id="other"), OSError())
    assert await discard(client, KEY, DeadFilter(function="examples.echo")) == 120
    assert ids(await dead_jobs(client, KEY)) == ["other"]
    assert await discard(client, KEY, DeadFilter()) == 1
    assert await client.exists(f"{KEY}:dead", f"{KEY}:dead:jobs", f"{KEY}:attempts:other") == 0


async def test_discarding_leaves_a_new_job_of_the_same_id(client: QueueClient) -> None:
    await die(client, echo(number=1).deferred(job_id="one"), OSError())
    await client.delete("arq:result:one")
    await client.enqueue(echo(number=2).deferred(job_id="one"))
    await client.set("arq:retry:one", 1)  # it has failed once
    assert await discard(client, KEY, DeadFilter()) == 1
    assert await raw(client, "LLEN", f"{KEY}:attempts:one") == 1
    assert await client.zrange(KEY, 0, -1) == [b"one"]


async def test_a_dead_job_queued_again_by_its_sender_is_dead_no_more(client: QueueClient) -> None:
    """As the sweep does for a row that is not done."""
    call = echo(number=1).deferred(job_id="one")
    await die(client, call, OSError())
    await raw(client, "HSET", f"{KEY}:crashes", "one", "3")
    await raw(client, "HSET", f"{KEY}:claims", "one", "a:1")
    assert await client.requeue_many([call]) == [True]
    assert await dead_jobs(client, KEY) == []
    assert sorted(await client.keys()) == [KEY.encode(), b"arq:job:one"]
    assert await leaked_keys(client) == []
