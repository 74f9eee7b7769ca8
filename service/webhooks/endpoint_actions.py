"""What people do with endpoints and their deliveries.

Apart from `actions`, so that workers need not load what only requests are read with.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, NotFound
from service.kit.clock import now
from service.kit.crypto import Keyring
from service.kit.ids import uuid7
from service.kit.standard_webhooks import new_secret
from service.webhooks import actions, queries, rules, secrets
from service.webhooks.jobs import deliver_call
from service.webhooks.models import WebhookDelivery, WebhookEndpoint
from service.webhooks.schemas import EndpointChange, EndpointIn

OVERLAP = timedelta(hours=24)
"""For how long the secret before a rotation signs as well."""


async def create(
    session: AsyncSession, caller: Caller, keyring: Keyring, body: EndpointIn
) -> tuple[WebhookEndpoint, str]:
    """Register an endpoint; return it with its secret, shown only here."""
    endpoint_id, secret = uuid7(), new_secret()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        owner_id=caller.user_id,
        sees_all=caller.is_admin,
        secret=secrets.seal(keyring, endpoint_id, secret),
        **_unique(body.model_dump()),
    )
    session.add(endpoint)
    await session.flush()
    await session.refresh(endpoint)
    return endpoint, secret


async def change(
    session: AsyncSession, caller: Caller, endpoint_id: UUID, body: EndpointChange
) -> WebhookEndpoint:
    """Change an endpoint.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    endpoint = await _for_change(session, caller, endpoint_id)
    changes = _unique(body.model_dump(exclude_none=True))
    if changes.get("enabled"):
        changes |= {"failures": 0, "disabled_reason": None}
    for name, value in changes.items():
        setattr(endpoint, name, value)
    await session.flush()
    return endpoint


def _unique(fields: dict[str, object]) -> dict[str, object]:
    return {
        name: list(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in fields.items()
    }


async def delete(session: AsyncSession, caller: Caller, endpoint_id: UUID) -> None:
    """Remove an endpoint with its deliveries. Raises NotFound."""
    await session.delete(await _for_change(session, caller, endpoint_id))
    await session.flush()


async def rotate_secret(
    session: AsyncSession, caller: Caller, keyring: Keyring, endpoint_id: UUID
) -> tuple[WebhookEndpoint, str]:
    """Give an endpoint a new secret; the one before signs as well for a day. Raises NotFound."""
    endpoint = await _for_change(session, caller, endpoint_id)
    secret = new_secret()
    endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, now() + OVERLAP
    endpoint.secret = secrets.seal(keyring, endpoint_id, secret)
    await session.flush()
    return endpoint, secret


async def reseal(session: AsyncSession, keyring: Keyring) -> int:
    """Encrypt secrets of some endpoints with the present key; return of how many, 0 at the end.

    Raises:
        CannotDecrypt: the settings lack the key of one.
    """
    endpoints = await queries.sealed_otherwise(session, keyring.current_id)
    for endpoint in endpoints:
        secrets.reseal(keyring, endpoint)
    await session.flush()
    return len(endpoints)


async def test(uow: UnitOfWork, caller: Caller, endpoint_id: UUID) -> WebhookDelivery:
    """Send an endpoint an event that says nothing.

    Raises:
        NotFound: there is no such endpoint.
        Conflict: it is disabled.
    """
    await _require_enabled(uow.session, caller, endpoint_id)
    data = {"endpoint_id": endpoint_id}
    event = rules.Event(str(uuid7()), rules.TEST, "", "", now(), data)
    (delivery_id,) = await actions.send(uow, event, [endpoint_id])
    return await _delivery(uow.session, endpoint_id, delivery_id)


async def replay(
    uow: UnitOfWork, caller: Caller, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery:
    """Send one delivery again, whatever became of it; receivers know it by its id.

    Raises:
        NotFound: there is no such delivery.
        Conflict: the endpoint is disabled.
    """
    await _require_enabled(uow.session, caller, endpoint_id)
    await _reopen(uow, endpoint_id, delivery_id)
    return await _delivery(uow.session, endpoint_id, delivery_id)


async def replay_failed(
    uow: UnitOfWork, caller: Caller, endpoint_id: UUID, since: datetime | None = None
) -> int:
    """Send again what failed for good, the oldest first; return how many. Raises as `replay`."""
    await _require_enabled(uow.session, caller, endpoint_id)
    return await _reopen(uow, endpoint_id, since=since)


async def _reopen(
    uow: UnitOfWork,
    endpoint_id: UUID,
    delivery_id: UUID | None = None,
    since: datetime | None = None,
) -> int:
    reopened = await queries.reopen(uow.session, endpoint_id, delivery_id, since)
    uow.enqueue(*(deliver_call(found, endpoint_id, version) for found, version in reopened))
    return len(reopened)


async def _require_enabled(session: AsyncSession, caller: Caller, endpoint_id: UUID) -> None:
    endpoint = await _for_change(session, caller, endpoint_id)
    if not endpoint.enabled:
        raise Conflict("This endpoint is disabled; enable it first")


async def _for_change(session: AsyncSession, caller: Caller, endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = await queries.endpoint_for_change(session, caller, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such webhook")
    return endpoint


async def _delivery(session: AsyncSession, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    delivery = await queries.delivery(session, endpoint_id, delivery_id)
    if delivery is None:
        raise NotFound("This webhook has no such delivery")
    return delivery
