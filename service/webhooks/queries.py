"""Every SQL statement of webhooks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Row,
    Select,
    any_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased, selectinload

from service.access.caller import Caller
from service.kit.pagination import Page, Rows, encode_cursor
from service.webhooks.models import (
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
)
from service.webhooks.rules import Event

MOST_REPLAYED = 1000
"""Deliveries that one request replays."""
RESEALED_AT_ONCE = 100


def _visible(caller: Caller) -> Select[WebhookEndpoint]:
    statement = select(WebhookEndpoint)
    if caller.is_admin:
        return statement
    return statement.where(WebhookEndpoint.owner_id == caller.user_id)


async def endpoint(
    session: AsyncSession, caller: Caller, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """Return an endpoint if the caller may see it."""
    return await session.scalar(_visible(caller).where(WebhookEndpoint.id == endpoint_id))


async def endpoint_for_change(
    session: AsyncSession, caller: Caller, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """Return an endpoint, locked until the transaction ends, if the caller may see it."""
    found = _visible(caller).where(WebhookEndpoint.id == endpoint_id)
    return await session.scalar(found.with_for_update())


async def list_endpoints(
    session: AsyncSession, caller: Caller, page: Page
) -> Rows[WebhookEndpoint]:
    """Return a page of endpoints, newest first."""
    statement = _visible(caller).order_by(WebhookEndpoint.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(WebhookEndpoint.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


def any_enabled() -> Executable:
    """Return the SELECT that finds a row if there is anybody to tell anything."""
    return select(WebhookEndpoint.id).where(WebhookEndpoint.enabled).limit(1)


def listened_to(event_type: str) -> ColumnElement[bool]:
    """Return the condition that some endpoint may want events of this type."""
    return (
        select(WebhookEndpoint.id)
        .where(WebhookEndpoint.enabled, literal(event_type) == any_(WebhookEndpoint.events))
        .exists()
    )


async def listeners(session: AsyncSession, event: Event) -> Sequence[UUID]:
    """Return the endpoints that want this event and may be told of it."""
    row = WebhookEndpoint
    statement = select(row.id).where(
        row.enabled,
        literal(event.type) == any_(row.events),
        or_(func.cardinality(row.names) == 0, literal(event.name) == any_(row.names)),
        or_(func.cardinality(row.queues) == 0, literal(event.queue) == any_(row.queues)),
    )
    if event.owner_id is not None:
        statement = statement.where(or_(row.sees_all, row.owner_id == event.owner_id))
    return (await session.scalars(statement)).all()


async def add_deliveries(
    session: AsyncSession, rows: Sequence[dict[str, Any]]
) -> Sequence[Row[UUID, UUID]]:
    """Insert deliveries; return id and endpoint of those whose event is new to the endpoint."""
    statement = insert(WebhookDelivery).on_conflict_do_nothing()
    result = await session.execute(
        statement.returning(WebhookDelivery.id, WebhookDelivery.endpoint_id), list(rows)
    )
    return result.all()


async def list_deliveries(
    session: AsyncSession, endpoint_id: UUID, page: Page, state: DeliveryState | None
) -> Rows[WebhookDelivery]:
    """Return a page of an endpoint's deliveries with every attempt, newest first."""
    statement = (
        select(WebhookDelivery)
        .options(selectinload(WebhookDelivery.log))
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .order_by(WebhookDelivery.id.desc())
        .limit(page.limit + 1)
    )
    if page.before:
        statement = statement.where(WebhookDelivery.id < page.before)
    if state:
        statement = statement.where(WebhookDelivery.state == state)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def delivery(
    session: AsyncSession, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery | None:
    """Return one of an endpoint's deliveries with every attempt, as it is now."""
    return await session.scalar(
        select(WebhookDelivery)
        .options(selectinload(WebhookDelivery.log))
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id)
        .execution_options(populate_existing=True)
    )


async def count_failed(session: AsyncSession, endpoint_id: UUID, since: datetime | None) -> int:
    """Count the deliveries that `reopen` would take, one more than it takes at most."""
    chosen = _failed(endpoint_id, since).limit(MOST_REPLAYED + 1).subquery()
    return await session.scalar(select(func.count()).select_from(chosen)) or 0


def _failed(endpoint_id: UUID, since: datetime | None) -> Select[UUID]:
    row = WebhookDelivery
    failed = select(row.id).where(row.endpoint_id == endpoint_id, row.state == DeliveryState.FAILED)
    return failed if since is None else failed.where(row.created_at >= since)


class Latest(NamedTuple):
    """How an endpoint does."""

    delivery: WebhookDelivery | None
    """What it was sent last."""
    failing_since: datetime | None
    """When the first of its failures in a row was given up, where rows still tell."""


async def latest(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Latest]:
    """Return how these endpoints do."""
    row, endpoint = WebhookDelivery, WebhookEndpoint
    newest = select(row).where(row.endpoint_id == endpoint.id).order_by(row.id.desc()).limit(1)
    last = aliased(row, newest.lateral())
    given_up = (
        select(row.finished_at)
        .where(row.endpoint_id == endpoint.id, row.state == DeliveryState.FAILED)
        .order_by(row.id.desc())
        .offset(endpoint.failures - 1)
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(endpoint.id, last, case((endpoint.failures > 0, given_up)))
        .outerjoin(last, literal(value=True))
        .where(endpoint.id.in_(ids))
    )
    found = await session.execute(statement)
    return {endpoint_id: Latest(delivery, since) for endpoint_id, delivery, since in found}


async def reopen(
    session: AsyncSession,
    endpoint_id: UUID,
    delivery_id: UUID | None = None,
    since: datetime | None = None,
) -> Sequence[Row[UUID, int]]:
    """Let one delivery, or failed ones made since then, begin anew; return ids and new versions."""
    row = WebhookDelivery
    chosen = select(row.id).where(row.endpoint_id == endpoint_id)
    if delivery_id is None:
        failed = _failed(endpoint_id, since)
        chosen = failed.order_by(row.id).limit(MOST_REPLAYED).with_for_update()
    else:
        chosen = chosen.where(row.id == delivery_id)
    result = await session.execute(
        update(row)
        .where(row.id.in_(chosen))
        .values(
            state=DeliveryState.PENDING,
            version=row.version + 1,
            attempts=0,
            error=None,
            next_at=func.now(),
            finished_at=None,
        )
        .returning(row.id, row.version)
    )
    return result.all()


async def pending(
    session: AsyncSession, delivery_id: UUID, version: int
) -> tuple[WebhookDelivery, WebhookEndpoint] | None:
    """Return a delivery that is to be attempted, and where to."""
    result = await session.execute(
        select(WebhookDelivery, WebhookEndpoint)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.version == version,
            WebhookDelivery.state == DeliveryState.PENDING,
        )
    )
    row = result.one_or_none()
    return None if row is None else (row[0], row[1])


async def write_attempt(
    session: AsyncSession, sent: WebhookDelivery, values: dict[str, Any]
) -> bool:
    """Write what became of a delivery; return whether it was still the one that was sent."""
    row = WebhookDelivery
    found = await session.scalar(
        update(row)
        .where(row.id == sent.id, row.version == sent.version, row.state == DeliveryState.PENDING)
        .values(values)
        .returning(row.id)
    )
    return found is not None


async def arrived(session: AsyncSession, endpoint_id: UUID) -> None:
    """Note that a delivery arrived: failures are counted from here."""
    row = WebhookEndpoint
    await session.execute(
        update(row).where(row.id == endpoint_id, row.failures > 0).values(failures=0)
    )


async def count_failure(session: AsyncSession, endpoint_id: UUID) -> int:
    """Note that a delivery was given up; return how many were in a row."""
    row = WebhookEndpoint
    counted = update(row).where(row.id == endpoint_id).values(failures=row.failures + 1)
    return await session.scalar(counted.returning(row.failures)) or 0


async def disable(session: AsyncSession, endpoint_id: UUID, reason: str) -> bool:
    """Stop telling an endpoint anything; return False if that was so before."""
    row = WebhookEndpoint
    stopped = update(row).where(row.id == endpoint_id, row.enabled)
    statement = stopped.values(enabled=False, disabled_reason=reason).returning(row.id)
    return await session.scalar(statement) is not None


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete deliveries that ended before; return how many."""
    row = WebhookDelivery
    # A delivery is not older than its end: the index finds what may be meant.
    ended = row.finished_at < before
    result = await session.execute(delete(row).where(row.created_at < before, ended))
    assert isinstance(result, CursorResult)
    return result.rowcount


async def key_ids(session: AsyncSession) -> set[bytes]:
    """Return the ids of all keys that secrets are encrypted with."""
    found = await session.scalars(select(_key_id(WebhookEndpoint.secret)).distinct())
    return set(found)


async def sealed_otherwise(session: AsyncSession, key_id: bytes) -> Sequence[WebhookEndpoint]:
    """Return some endpoints with a secret that another key encrypted, locked."""
    endpoint = WebhookEndpoint
    found = await session.scalars(
        select(endpoint)
        .where(or_(_key_id(endpoint.secret) != key_id, _key_id(endpoint.old_secret) != key_id))
        .order_by(endpoint.id)
        .limit(RESEALED_AT_ONCE)
        .with_for_update()
    )
    return found.all()


def _key_id(column: InstrumentedAttribute[Any]) -> ColumnElement[bytes]:
    return func.substr(column, 2, 4)
