"""What runs, what is due and what is scheduled, over several queues; needs no worker."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from service.errors import InvalidInput, Problem
from service.queue import presence
from service.queue.client import QueueClient
from service.queue.errors import DecodeError
from service.queue.instants import from_ms
from service.queue.presence import RunningJob, WorkerView
from service.queue.scripting import script
from service.queue.views import Found, JobView, found

MOST_CLAIMS = 1000
"""Claims of a queue that are looked at for what runs."""
_list = script("list")


class Listed(NamedTuple):
    """A job, its arguments masked where it is sensitive, and who runs it."""

    view: JobView
    worker: str | None
    """Name of its worker; None for one that does not run, or runs in a stock arq worker."""


class Jobs(NamedTuple):
    """A page of jobs."""

    items: list[Listed]
    next: str | None
    """Where the next page begins, for `after`; None at the end."""


class _Place(NamedTuple):
    """A job in the order of a list: by time, then by id and queue."""

    moment: int
    job_id: str
    queue: str


class _Seen(NamedTuple):
    """A job, and its score: when it may start or, while it runs, when its lease ends."""

    view: JobView
    score: int


async def active(client: QueueClient, queues: Sequence[str], limit: int) -> list[Listed]:
    """Return jobs that run, the oldest start first.

    Six round trips, whatever waits. The start of a job younger than about a second is that of its
    claim, to within a renewal of its lease; of a stock worker's job it is not known.

    Args:
        client: where the queues are.
        queues: their keys.
        limit: at most so many jobs.
    """
    workers = await presence.workers(client)
    by_incarnation = {worker.incarnation: worker for worker in workers}
    told = {(worker.incarnation, job.id): job for worker in workers for job in worker.running}
    holders = await _held(client, queues, limit)
    looked_at = await _look(client, list(holders), leased=True)
    listed = [
        _running(job, by_incarnation.get(holder), told.get((holder, job.view.job_id)))
        for job, holder in zip(looked_at, holders.values(), strict=True)
        if job is not None
    ]
    latest = datetime.max.replace(tzinfo=UTC)
    listed.sort(key=lambda job: (job.view.started_at or latest, job.view.job_id))
    return listed[:limit]


async def scheduled(
    client: QueueClient, queues: Sequence[str], limit: int, after: str | None = None
) -> Jobs:
    """Return jobs whose time is still to come, soonest first.

    Two round trips, whatever waits. What is retried or snoozed until then is among them.

    Args:
        client: where the queues are.
        queues: their keys.
        limit: at most so many jobs.
        after: `Jobs.next` of the page before.

    Raises InvalidInput when `after` is none.
    """
    return await _page(client, "scheduled", queues, limit, after)


async def waiting(
    client: QueueClient, queues: Sequence[str], limit: int, after: str | None = None
) -> Jobs:
    """Return jobs that are due and run nowhere, the longest waiting first, as `scheduled`.

    A job of the low lane appears once it has waited as long as it stands behind others.
    """
    return await _page(client, "waiting", queues, limit, after)


async def _page(
    client: QueueClient,
    which: Literal["scheduled", "waiting"],
    queues: Sequence[str],
    limit: int,
    after: str | None,
) -> Jobs:
    last = _read(after) if after is not None else ("", "")
    reply = await _list(client, queues, which, limit + 1, *last)
    looked_at: list[tuple[_Place, int]] = []
    for n in range(0, len(reply), 4):
        queue, job_id, moment, fits = reply[n : n + 4]
        looked_at.append((_Place(int(float(moment)), job_id.decode(), queue.decode()), fits))
    looked_at.sort()
    page = looked_at[:limit]
    shown = [place for place, fits in page if fits]
    jobs = await _look(client, shown, due=which == "waiting")
    end = page[-1][0] if len(looked_at) > limit else None
    return Jobs(
        [Listed(job.view, None) for job in jobs if job is not None],
        f"{end.moment}:{end.job_id}" if end else None,
    )


def _read(after: str) -> tuple[str, str]:
    moment, colon, job_id = after.partition(":")
    if not (moment.isdecimal() and moment.isascii() and len(moment) < 16 and colon):
        raise InvalidInput([Problem("cursor", "is none of this list; leave it out to begin anew")])
    return moment, job_id


async def _held(client: QueueClient, queues: Sequence[str], limit: int) -> dict[_Place, str]:
    """Return the jobs that somebody holds, each with the incarnation of a worker of ours."""
    async with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.hscan(f"{queue}:claims", count=MOST_CLAIMS)
            pipe.zrange(queue, 0, limit - 1)  # a stock worker leaves its jobs at their time
        replies = await pipe.execute()
    known: dict[_Place, str] = {}
    for queue, (_, claims), first in zip(queues, replies[::2], replies[1::2], strict=True):
        known |= {_Place(0, job_id.decode(), queue): "" for job_id in first}
        for job_id, token in claims.items():
            known[_Place(0, job_id.decode(), queue)] = token.decode().partition(":")[0]
    if not known:
        return {}
    leases = await client.mget([f"arq:in-progress:{place.job_id}" for place in known])
    return {
        place: token
        for (place, token), lease in zip(known.items(), leases, strict=True)
        if lease is not None
    }


async def _look(
    client: QueueClient, places: Sequence[_Place], *, leased: bool = False, due: bool = False
) -> list[_Seen | None]:
    """Return for each place the job that is there, None where there is none any more."""
    if not places:
        return []
    async with client.pipeline(transaction=False) as pipe:
        pipe.mget([f"arq:job:{place.job_id}" for place in places])
        pipe.mget([f"arq:retry:{place.job_id}" for place in places])
        for place in places:
            pipe.zscore(place.queue, place.job_id)
            pipe.zscore(f"{place.queue}:low", place.job_id)
        payloads, tries, *scores = await pipe.execute()
    seen: list[_Seen | None] = []
    for place, payload, used, score, low in zip(
        places, payloads, tries, scores[::2], scores[1::2], strict=True
    ):
        if score is None:
            seen.append(None)
            continue
        what = Found(
            dead=False,
            queue=place.queue,
            moment=int(score if low is None else low),
            payload=payload or b"",
            tries=int(used or 0),
            lane="normal" if low is None else "low",
            leased=leased,
            due=due,
        )
        seen.append(_Seen(_view(place.job_id, what), int(score)))
    return seen


def _view(job_id: str, seen: Found) -> JobView:
    try:
        return found(job_id, seen, unmask=False)
    except DecodeError:  # a list shows of each what can be read
        return found(job_id, seen._replace(payload=b""), unmask=False)


def _running(job: _Seen, worker: WorkerView | None, told: RunningJob | None) -> Listed:
    started = told.started_at if told else None
    if started is None and worker is not None:
        started = from_ms(job.score) - timedelta(seconds=worker.lease_s)
    view = replace(job.view, tries=job.view.tries + 1, started_at=started)
    return Listed(view, worker.name if worker else None)
