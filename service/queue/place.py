"""Where one job stands in its queue: who holds it, and how many go before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from arq.connections import ArqRedis

from service.kit import clock
from service.queue.instants import to_ms


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A job in its queue, at one instant."""

    incarnation: str | None
    """Of the worker that holds it, which signs its claims; None: nobody does."""
    lease_ends: datetime | None
    before: int
    """Due jobs that a worker takes before it; of the high lane not those of others."""


async def place_of(
    client: ArqRedis, queue: str, job_id: str, lane: Literal["high", "normal", "low"]
) -> PlaceView:
    """Return where a job stands in the queue of this key; two round trips.

    What runs is not before it: its score is the end of its lease. Raises redis-py's errors.
    """
    moment = clock.now()
    index = f"{queue}:high" if lane == "high" else queue
    async with client.pipeline(transaction=False) as pipe:
        pipe.get(f"arq:in-progress:{job_id}")
        pipe.pttl(f"arq:in-progress:{job_id}")
        pipe.zscore(index, job_id)
        token, left, score = await pipe.execute()
    if token is not None:
        ends = moment + timedelta(milliseconds=left) if left > 0 else None
        return PlaceView(token.decode(errors="replace").partition(":")[0], ends, 0)
    if score is None:
        return PlaceView(None, None, 0)
    now_ms = to_ms(moment)
    async with client.pipeline(transaction=False) as pipe:
        # A low job's score lies ahead by what it stands behind others: these need not be due.
        pipe.zcount(index, "-inf", f"({min(score, now_ms):.0f}")
        pipe.zcount(f"{queue}:high", f"{score:.0f}", now_ms)  # these overtake others
        earlier, overtaking = await pipe.execute()
    return PlaceView(None, None, earlier + (overtaking if lane != "high" else 0))
