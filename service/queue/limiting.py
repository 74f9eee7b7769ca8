"""The limits of jobs as they are: who holds their places, and where a job stands in their lines.

How limits work is in `workers.engine.limits`; both name them here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from arq.connections import ArqRedis

from service.kit import clock
from service.queue.declaration import JobType
from service.queue.instants import to_ms

MOST_HOLDERS = 5
_LONGEST_VALUE = 100  # characters of an argument that become part of a key's name


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit that a job waits for."""

    limit: int
    """Places of it."""
    key: str | None
    """Name of the argument whose values are limited each on its own; None: all together."""
    per: float | None
    """Seconds in which so many may start; None: so many may run at a time."""
    before: int
    """Jobs that are before it in the line."""
    holders: tuple[str, ...] = ()
    """Ids of jobs that hold a place, the first of them."""


def limit_name(job: JobType[..., Any], key: str | None, arguments: Mapping[str, object]) -> str:
    """Return the name of a limit of a job with these arguments, which are by name."""
    if key is None:
        return job.name
    default = job.signature.parameters[key].default
    value = str(msgspec.to_builtins(arguments.get(key, default)))
    if job.sensitive or len(value) > _LONGEST_VALUE:
        value = f"sha256-{sha256(value.encode()).hexdigest()}"
    return f"{job.name}:{key}={value}"


async def waited_for(
    client: ArqRedis, job: JobType[..., Any], job_id: str, arguments: Mapping[str, object]
) -> list[LimitView]:
    """Return the limits in whose lines a job stands: it asked for a place and found none.

    One round trip. Raises redis-py's errors.
    """
    wanted: list[tuple[str, str, int, str | None, float | None]] = []
    if job.concurrency:
        name = limit_name(job, job.concurrency.key, arguments)
        wanted.append(("slots", name, job.concurrency.limit, job.concurrency.key, None))
    if job.rate:
        name = limit_name(job, job.rate.key, arguments)
        wanted.append(("rate", name, job.rate.limit, job.rate.key, job.rate.per))
    if not wanted:
        return []
    async with client.pipeline(transaction=False) as pipe:
        for kind, name, *_ in wanted:
            pipe.zrank(f"almanac:limit:{kind}-waiting:{name}", job_id)
            if kind == "slots":
                begin = to_ms(clock.now())
                pipe.zrangebyscore(f"almanac:limit:slots:{name}", begin, "+inf", 0, MOST_HOLDERS)
            else:
                pipe.exists(f"almanac:limit:rate:{name}")
        replies = await pipe.execute()
    found: list[LimitView] = []
    for (kind, _, limit, key, per), rank, held in zip(
        wanted, replies[::2], replies[1::2], strict=True
    ):
        if rank is not None:
            holders = tuple(each.decode() for each in held) if kind == "slots" else ()
            found.append(LimitView(limit, key, per, int(rank), holders))
    return found
