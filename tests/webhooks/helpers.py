"""What tests of webhooks and notices say in one line."""

from dataclasses import replace
from typing import Any

from service.kit.outbound import Outbound
from service.queue import JobCall, RetryPolicy, job
from service.runtime import Runtime
from tests.servers.receiver import Receiver
from tests.support import Installation
from workers.engine import LEDGER, Context, run
from workers.ledger import JobLedger

HERE = "tests.webhooks.helpers"


@job("tests.told", queue="publishing", coroutine=f"{HERE}.double_it", retry=RetryPolicy(2, delay=0))
async def told(number: int) -> dict[str, int]:
    """Return twice the number; 13 fails."""
    raise NotImplementedError


@job(
    "tests.secret",
    queue="publishing",
    coroutine=f"{HERE}.keep_it",
    sensitive=True,
    retry=RetryPolicy(1),
)
async def secret(word: str) -> str:
    """Return the word, or fail with it."""
    raise NotImplementedError


async def double_it(ctx: Context, number: int) -> dict[str, int]:
    if number == 13:
        raise ValueError("bad luck")
    return {"doubled": 2 * number}


async def keep_it(ctx: Context, word: str) -> str:
    if word == "fail":
        raise ValueError(f"the word is {word}")
    return word


FUNCTIONS = [run(told, double_it), run(secret, keep_it)]


async def register(api: Installation, receiver: Receiver, **body: Any) -> Any:
    """Register the receiver; it knows the secret from here."""
    reply = await api.post("/v1/webhooks", {"url": receiver.hook, **body})
    assert reply.status_code == 201, reply.text
    receiver.secret = reply.json()["secret"]
    return reply.json()


def varied(runtime: Runtime, outbound: Outbound | None = None, **settings: Any) -> Runtime:
    """Return the same runtime with other settings."""
    changed = runtime.settings.model_copy(update=settings)
    return replace(runtime, settings=changed, outbound=outbound or runtime.outbound)


async def run_job(
    api: Installation, *calls: JobCall, durable: bool = True, **settings: Any
) -> None:
    """Run jobs to their ends."""
    if durable:
        async with api.runtime.unit_of_work() as uow:
            uow.enqueue(*calls)
    else:
        for call in calls:
            await api.runtime.queue.enqueue(call)
    await api.work(functions=FUNCTIONS, ctx=context(varied(api.runtime, **settings)))


async def deliver(api: Installation, outbound: Outbound | None = None, **settings: Any) -> None:
    """Run all deliveries to their ends, with short gaps."""
    runtime = varied(api.runtime, outbound, **{"webhook_gaps": (0.2, 0.2), **settings})
    await api.work("webhooks", ctx=context(runtime))


def context(runtime: Runtime) -> dict[Any, Any]:
    """Return the context of a worker."""
    return {"runtime": runtime, LEDGER: JobLedger(runtime)}


async def deliveries(api: Installation, endpoint_id: str, state: str = "") -> Any:
    """Return an endpoint's deliveries, newest first."""
    query = f"?state={state}" if state else ""
    reply = await api.get(f"/v1/webhooks/{endpoint_id}/deliveries{query}")
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


async def notices(api: Installation, key: str | None = None) -> Any:
    """Return the notifications, newest first."""
    reply = await api.get("/v1/notifications", key=key)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]
