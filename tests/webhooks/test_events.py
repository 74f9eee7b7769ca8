"""What ends is told: to whoever asked for it, once, with its result."""

from typing import Any

import pytest
from arq.worker import Worker as StockWorker
from sqlalchemy.exc import ProgrammingError

from service.monitoring import rows
from service.queue import queue_key
from service.queue.codec import deserialize, serialize
from service.webhooks import actions
from service.webhooks.actions import Event
from tests.servers.receiver import Receiver
from tests.support import Installation
from tests.webhooks.helpers import FUNCTIONS, deliver, deliveries, register, run_job, secret, told
from workers.engine import Begun, RowClaim, RowOutcome
from workers.engine.ending import Outcome
from workers.ledger import JobLedger

pytestmark = pytest.mark.asyncio


def end_of(receiver: Receiver) -> Any:
    (request,) = receiver.received
    return request.body


@pytest.mark.parametrize("durable", [True, False])
async def test_a_job_that_succeeded_is_one_signed_post_with_its_result(
    api: Installation, receiver: Receiver, durable: bool
) -> None:
    """G082, G084: the receiver verifies the HMAC and gets the result; with and without a row."""
    endpoint = await register(api, receiver)
    await run_job(api, told(number=21).deferred(job_id="a"), durable=durable)
    await deliver(api)
    body = end_of(receiver)
    times = [body["data"].pop(name) for name in ("enqueued_at", "started_at", "finished_at")]
    assert times == sorted(times)
    assert body == {
        "type": "job.succeeded",
        "timestamp": times[2],
        "data": {
            "id": "a",
            "name": "tests.told",
            "queue": "publishing",
            "state": "succeeded",
            "tries": 1,
            "result": {"doubled": 42},
            "error": None,
        },
    }
    (delivery,) = await deliveries(api, endpoint["id"])
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["id"] == receiver.received[0].id
    assert [attempt["status"] for attempt in delivery["log"]] == [204]
    assert await api.queued("webhooks") == []


@pytest.mark.parametrize("durable", [True, False])
async def test_a_job_that_failed_is_told_when_it_is_not_tried_again(
    api: Installation, receiver: Receiver, durable: bool
) -> None:
    await register(api, receiver)
    await run_job(api, told(number=13), durable=durable)
    await deliver(api)
    body = end_of(receiver)
    assert (body["type"], body["data"]["tries"]) == ("job.failed", 2)
    assert body["data"]["error"] == {"type": "ValueError", "message": "bad luck"}
    assert body["data"]["result"] is None


async def test_a_waiting_job_that_is_cancelled_is_told(
    api: Installation, receiver: Receiver
) -> None:
    await register(api, receiver, events=["job.cancelled"])
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(told(number=1).deferred(job_id="a"))
    row = await rows.find(api.runtime, "a")
    assert row is not None
    assert await rows.cancel(api.runtime, row)
    await deliver(api)
    assert end_of(receiver)["type"] == "job.cancelled"


async def test_a_replay_is_another_event(api: Installation, receiver: Receiver) -> None:
    await register(api, receiver)
    await run_job(api, told(number=13).deferred(job_id="a"))
    row = await rows.find(api.runtime, "a")
    assert row is not None
    assert await rows.replay(api.runtime, row)
    await run_job(api)
    await deliver(api)
    assert [request.body["type"] for request in receiver.received] == ["job.failed"] * 2
    assert len({request.id for request in receiver.received}) == 2


@pytest.mark.parametrize("word", ["fail", "hush"])
@pytest.mark.parametrize("durable", [True, False])
async def test_sensitive_jobs_tell_no_values(
    api: Installation, receiver: Receiver, word: str, durable: bool
) -> None:
    await register(api, receiver)
    await run_job(api, secret(word=word), durable=durable)
    await deliver(api)
    data = end_of(receiver)["data"]
    failed = {"type": "ValueError", "message": ""} if word == "fail" else None
    assert (data["result"], data["error"]) == (None, failed)
    assert await api.sql("SELECT 1 FROM notices WHERE text LIKE '%the word%'") == []


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ({}, True),
        ({"names": ["tests.told"], "queues": ["publishing"]}, True),
        ({"names": ["tests.other"]}, False),
        ({"queues": ["media"]}, False),
        ({"events": ["job.failed", "workflow.succeeded"]}, False),
        ({"enabled": False}, False),
    ],
)
async def test_filters(
    api: Installation, receiver: Receiver, filters: dict[str, Any], heard: bool
) -> None:
    await register(api, receiver, **filters)
    await run_job(api, told(number=1))
    assert await api.count("webhook_deliveries") == int(heard)
    assert len(await api.queued("webhooks")) == int(heard)


async def test_each_endpoint_gets_its_own(api: Installation, receiver: Receiver) -> None:
    await register(api, receiver)
    last = await register(api, receiver)
    await run_job(api, told(number=1))
    await deliver(api)
    states = await api.sql("SELECT endpoint_id, state FROM webhook_deliveries ORDER BY id")
    assert sorted(row.state for row in states) == ["delivered", "failed"], "two secrets"
    assert [str(row.endpoint_id) for row in states if row.state == "delivered"] == [last["id"]]


async def test_nobody_listens_nobody_is_told(api: Installation) -> None:
    await run_job(api, told(number=1))
    await run_job(api, told(number=1), durable=False)
    assert await api.count("webhook_deliveries") == 0


async def test_deliveries_are_not_told_of_themselves(api: Installation, receiver: Receiver) -> None:
    """Each would be an end to tell of, for ever."""
    await register(api, receiver)
    await run_job(api, told(number=1))
    await deliver(api)
    assert await api.queued("webhooks") == []
    assert await api.count("webhook_deliveries") == 1


async def test_a_workflow_is_told_to_its_owner_and_administrators(
    api: Installation, receiver: Receiver
) -> None:
    """However often it is announced, once each."""
    keys = [await api.new_key("settings:write", "jobs:read", user=u) for u in ("anne", "ben")]
    ids = {}
    for name, key in zip(("anne", "ben", "admin"), (*keys, api.key), strict=True):
        reply = await api.post("/v1/webhooks", {"url": receiver.hook}, key=key)
        ids[reply.json()["id"]] = name
    (anne,) = await api.sql("SELECT id FROM users WHERE name = 'anne'")
    (moment,) = await api.sql("SELECT now() AS now")
    event = Event("w/1", "workflow.succeeded", "video", "", moment.now, {}, owner_id=anne.id)
    for _ in range(2):
        async with api.runtime.unit_of_work() as uow:
            await actions.announce(uow, event)
    told_to = await api.sql("SELECT endpoint_id FROM webhook_deliveries")
    assert sorted(ids[str(row.endpoint_id)] for row in told_to) == ["admin", "anne"]


async def test_a_rollback_tells_nothing(api: Installation, receiver: Receiver) -> None:
    await register(api, receiver)
    (moment,) = await api.sql("SELECT now() AS now")
    with pytest.raises(RuntimeError, match="no"):
        async with api.runtime.unit_of_work() as uow:
            await actions.announce(uow, Event("a/1", "job.failed", "a.b", "q", moment.now, {}))
            raise RuntimeError("no")
    assert await api.count("webhook_deliveries") == 0
    assert await api.queued("webhooks") == []


async def test_an_end_and_its_delivery_are_written_together(
    api: Installation, receiver: Receiver
) -> None:
    """While the one cannot be written the other is not: nothing that ended stays untold."""
    await register(api, receiver)
    ledger = JobLedger(api.runtime)
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(told(number=1).deferred(job_id="a"))
    claim = RowClaim("a", "1", "token", crashed=False)
    assert await ledger.begin(claim) == Begun(tries=0)
    outcome = RowOutcome(claim, Outcome.SUCCEEDED, None, 1, b"", None)
    await api.sql("ALTER TABLE webhook_deliveries RENAME TO elsewhere")
    with pytest.raises(ProgrammingError, match="webhook_deliveries"):
        await ledger.settle(outcome)
    row = await rows.find(api.runtime, "a")
    assert row is not None
    assert row.state == "running"
    await api.sql("ALTER TABLE elsewhere RENAME TO webhook_deliveries")
    assert await ledger.settle(outcome)
    await deliver(api)
    assert end_of(receiver)["data"]["id"] == "a"


@pytest.mark.parametrize(("number", "kind"), [(4, "job.succeeded"), (13, "job.failed")])
async def test_what_a_stock_worker_ended_is_told_by_the_sweep(
    api: Installation, receiver: Receiver, number: int, kind: str
) -> None:
    """Stock arq knows neither rows nor webhooks; the result that it left tells."""
    await register(api, receiver)
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(told(number=number).deferred(job_id="a"))
    stock = StockWorker(
        functions=FUNCTIONS, queue_name=queue_key("publishing"), redis_pool=api.runtime.queue,
        burst=True, handle_signals=False, job_serializer=serialize, job_deserializer=deserialize,
    )  # fmt: skip
    await stock.async_run()
    for _ in range(2):
        await rows.sweep(api.runtime, everything=True)
    await deliver(api)
    body = end_of(receiver)
    assert body["type"] == kind
    failed = {"type": "ValueError", "message": "bad luck"} if number == 13 else None
    assert body["data"]["error"] == failed
    assert await api.count("notices") == (number == 13)
