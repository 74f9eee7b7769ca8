"""What ends is told to the endpoints that want to hear of it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import UnitOfWork
from service.kit.clock import now
from service.kit.ids import uuid7
from service.webhooks import queries, rules
from service.webhooks.jobs import deliver_call
from service.webhooks.rules import Event as Event  # what others announce
from service.webhooks.rules import JobEnd as JobEnd


async def announce(uow: UnitOfWork, event: Event) -> None:
    """Tell every endpoint that wants to hear of it; once, however often it is announced."""
    await send(uow, event, await queries.listeners(uow.session, event))


async def job_ended(uow: UnitOfWork, end: JobEnd) -> None:
    """Tell of a job's end, unless the job itself tells of others."""
    if end.told:
        await announce(uow, rules.event_of(end))


async def send(uow: UnitOfWork, event: Event, endpoints: Sequence[UUID]) -> list[UUID]:
    """Send an event to these endpoints; return the deliveries, of those to whom it is new."""
    if not endpoints:
        return []
    body, moment = rules.body(event), now()
    rows = [
        {
            "id": uuid7(),
            "endpoint_id": endpoint_id,
            "event_id": event.id,
            "event_type": event.type,
            "body": body,
            "next_at": moment,
        }
        for endpoint_id in endpoints
    ]
    added = await queries.add_deliveries(uow.session, rows)
    uow.enqueue(*(deliver_call(delivery_id, endpoint, 1) for delivery_id, endpoint in added))
    return [delivery_id for delivery_id, _ in added]


async def forget(session: AsyncSession, age: timedelta) -> int:
    """Delete deliveries that ended so long ago; return how many."""
    return await queries.forget(session, now() - age)
