"""Jobs that the tests declare, their coroutines, and arq's own worker to run them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from arq import Retry, func
from arq.connections import ArqRedis
from arq.worker import Function, Worker
from pydantic import BaseModel

from service.queue import JobView, QueueClient, job, queue_key
from service.queue.codec import deserialize, serialize
from workers.engine import Worker as OurWorker

QUEUE = "examples"
KEY = queue_key(QUEUE)
HERE = __name__
StockWorker: type[Worker] = OurWorker.__mro__[1]
"""arq's own class: whoever imports `workers.process` replaces it in arq's module by ours."""


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 9


@dataclass(frozen=True)
class Point:
    x: float
    at: datetime


class Parcel(msgspec.Struct, frozen=True):
    weight: Decimal
    content: bytes


class Letter(BaseModel):
    sender: UUID
    pages: list[int]
    sent: datetime | None = None


@job("examples.echo", queue=QUEUE, coroutine=f"{HERE}.echo")
async def echo(*, number: int, text: str = "") -> str:
    """Return the text so many times."""
    raise NotImplementedError


@job("examples.publish", queue=QUEUE, coroutine=f"{HERE}.publish", keep_result=0)
async def publish(delivery_id: UUID, version: int) -> None:
    """Publish one delivery."""


@job("examples.exact", queue=QUEUE, coroutine=f"{HERE}.exact")
async def exact(
    *,
    uid: UUID,
    instant: datetime,
    amount: Decimal,
    blob: bytes,
    span: timedelta,
    tags: set[str],
    pair: tuple[int, float],
    colour: Colour,
    level: Level,
    point: Point,
    parcel: Parcel,
    letter: Letter,
    counts: dict[int, UUID],
    maybe: datetime | None = None,
) -> tuple[Any, ...]:
    """Take one value of every kind and return some of them."""
    raise NotImplementedError


@job("examples.twin", queue=QUEUE, coroutine=f"{HERE}.twin")
async def twin(letter: Letter, instant: datetime) -> dict[UUID, Letter]:
    """Return the letter by its sender."""
    raise NotImplementedError


@job("examples.fail", queue=QUEUE, coroutine=f"{HERE}.fail")
async def fail(kind: str) -> None:
    """Raise an exception of a kind."""


@job("examples.sleep", queue=QUEUE, coroutine=f"{HERE}.sleep")
async def sleep(seconds: float) -> None:
    """Sleep so long."""


@job("examples.urgent", queue=QUEUE, coroutine=f"{HERE}.urgent", lane="high")
async def urgent() -> None:
    """Overtake others."""


@job("examples.secret", queue=QUEUE, coroutine=f"{HERE}.secret", sensitive=True)
async def secret(token: str, until: datetime | None = None) -> dict[str, str]:
    """Use a secret, and return or raise it."""
    raise NotImplementedError


@job(
    "examples.owned",
    queue=QUEUE,
    coroutine=f"{HERE}.owned",
    keep_result=0,
    owner=f"{HERE}.Rows",
)
async def owned(row: int) -> None:
    """Act on a row."""


class Rows:
    """Owns the rows of `examples.owned`: even ones obey, odd ones refuse."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []
        self.replayed: list[int] = []

    def resolve(self, path: str) -> "Rows":
        """Find the owner by the path that is declared."""
        assert path == f"{HERE}.Rows"
        return self

    async def cancel(self, client: QueueClient, view: JobView) -> bool:
        """Cancel a row."""
        row: int = view.kwargs["row"]
        self.cancelled.append(row)
        return row % 2 == 0

    async def replay(self, client: QueueClient, view: JobView) -> bool:
        """Let a row run again, by another job."""
        row: int = view.kwargs["row"]
        self.replayed.append(row)
        again = owned(row=row).deferred(job_id=f"{view.job_id}:again")
        return row % 2 == 0 and await client.enqueue(again) is not None


class Unknown(Exception):
    """A class that no reader of the result can import."""


class Exploit:
    """What an attacker would store: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


class Runs:
    """What the coroutines were called with, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.asleep = asyncio.Event()

    async def echo(self, _ctx: dict[str, Any], *, number: int, text: str = "") -> str:
        self.calls.append(("echo", {"number": number, "text": text}))
        return text * number

    async def publish(self, _ctx: dict[str, Any], delivery_id: UUID, version: int) -> None:
        self.calls.append(("publish", {"delivery_id": delivery_id, "version": version}))

    async def exact(self, _ctx: dict[str, Any], **arguments: Any) -> tuple[Any, ...]:
        self.calls.append(("exact", arguments))
        return (arguments["pair"], arguments["colour"])

    async def twin(
        self, _ctx: dict[str, Any], letter: Letter, instant: datetime
    ) -> dict[UUID, Letter]:
        self.calls.append(("twin", {"letter": letter, "instant": instant}))
        return {letter.sender: letter}

    async def fail(self, _ctx: dict[str, Any], kind: str) -> None:
        self.calls.append(("fail", {"kind": kind}))
        if kind == "retry":
            raise Retry(defer=0.05)
        raise {"key": KeyError("gone"), "unknown": Unknown("no such class")}[kind]

    async def sleep(self, _ctx: dict[str, Any], seconds: float) -> None:
        self.calls.append(("sleep", {"seconds": seconds}))
        self.asleep.set()
        await asyncio.sleep(seconds)

    async def urgent(self, _ctx: dict[str, Any]) -> None:
        self.calls.append(("urgent", {}))

    async def secret(
        self, _ctx: dict[str, Any], token: str, until: datetime | None = None
    ) -> dict[str, str]:
        self.calls.append(("secret", {"token": token, "until": until}))
        if token.startswith("bad"):
            raise ValueError(token)
        return {"used": token}

    def functions(self) -> list[Function]:
        """Return the functions as a WorkerSettings lists them."""
        types = (echo, publish, exact, twin, fail, sleep, urgent, secret)
        return [
            func(getattr(self, t.coroutine.rpartition(".")[2]), name=t.name, keep_result=60)
            for t in types
        ]


def stock_worker(redis: ArqRedis, runs: Runs, **settings: Any) -> Worker:
    """Make arq's own worker with nothing of ours but the codec."""
    defaults: dict[str, Any] = {
        "queue_name": KEY,
        "burst": True,
        "poll_delay": 0.01,
        "handle_signals": False,
        "job_serializer": serialize,
        "job_deserializer": deserialize,
    }
    return StockWorker(functions=runs.functions(), redis_pool=redis, **(defaults | settings))
