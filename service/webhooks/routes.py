"""HTTP of webhooks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from service.access.audit import note
from service.access.caller import Caller, Scope
from service.db.session import UnitOfWork
from service.errors import InvalidInput, NotFound, Problem
from service.kit.outbound import NotSent, OutboundRefused
from service.runtime import Runtime
from service.web import ERRORS, JobsReader, OnceOnly, Opened, Paging, SettingsWriter, Uow
from service.webhooks import endpoint_actions as actions
from service.webhooks import queries, schemas
from service.webhooks.models import DeliveryState, WebhookEndpoint

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=ERRORS)


async def manager(caller: SettingsWriter) -> Caller:
    """Return a caller who may change endpoints: they are told what only readers of jobs may see."""
    caller.require(Scope.JOBS_READ)
    return caller


Manager = Annotated[Caller, Depends(manager)]


async def _check(runtime: Runtime, url: str) -> None:
    """Refuse a URL that deliveries would be refused at."""
    try:
        await runtime.outbound.check(url)
    except (OutboundRefused, NotSent) as error:
        raise InvalidInput([Problem("url", error.message)]) from error


async def new_endpoint(body: schemas.EndpointIn, runtime: Opened, _: Manager) -> schemas.EndpointIn:
    """Judge the URL's address, before a database connection is taken."""
    await _check(runtime, body.url)
    return body


async def changes(
    body: schemas.EndpointChange, runtime: Opened, _: Manager
) -> schemas.EndpointChange:
    """Judge a new URL's address, before a database connection is taken."""
    if body.url is not None:
        await _check(runtime, body.url)
    return body


@router.post("", status_code=201, response_model=schemas.EndpointCreated)
async def create(
    body: Annotated[schemas.EndpointIn, Depends(new_endpoint)],
    caller: Manager,
    runtime: Opened,
    uow: Uow,
    once: OnceOnly,
) -> JSONResponse:
    """Register a URL to be told, by a signed POST each, of jobs and workflows that end."""
    made = await register(body, caller, runtime, uow)
    return await once.reply(made, shown_once="secret")


async def register(
    body: schemas.EndpointIn, caller: Caller, runtime: Runtime, uow: UnitOfWork
) -> schemas.EndpointCreated:
    """Register a URL that was judged; the reply holds its secret, which is not shown again."""
    endpoint, secret = await actions.create(uow.session, caller, runtime.keyring, body)
    await _note(uow, caller, "create", endpoint.id)
    return _with_secret(endpoint, secret)


@router.get("")
async def list_endpoints(caller: JobsReader, page: Paging, uow: Uow) -> schemas.EndpointList:
    """List endpoints, newest first."""
    rows = await queries.list_endpoints(uow.session, caller, page)
    items = [schemas.EndpointOut.model_validate(row) for row in rows.items]
    return schemas.EndpointList(items=items, next_cursor=rows.next_cursor)


@router.get("/{endpoint_id}")
async def show(endpoint_id: UUID, caller: JobsReader, uow: Uow) -> schemas.EndpointOut:
    """Show one endpoint."""
    return schemas.EndpointOut.model_validate(await _endpoint(uow, caller, endpoint_id))


@router.patch("/{endpoint_id}")
async def change(
    endpoint_id: UUID,
    body: Annotated[schemas.EndpointChange, Depends(changes)],
    caller: Manager,
    uow: Uow,
) -> schemas.EndpointOut:
    """Change an endpoint, or enable it again."""
    endpoint = await actions.change(uow.session, caller, endpoint_id, body)
    await _note(uow, caller, "change", endpoint_id, fields=sorted(body.model_fields_set))
    return schemas.EndpointOut.model_validate(endpoint)


@router.delete("/{endpoint_id}", status_code=204)
async def delete(endpoint_id: UUID, caller: Manager, uow: Uow) -> Response:
    """Remove an endpoint and its deliveries."""
    await actions.delete(uow.session, caller, endpoint_id)
    await _note(uow, caller, "delete", endpoint_id)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_secret(
    endpoint_id: UUID, caller: Manager, runtime: Opened, uow: Uow
) -> schemas.EndpointCreated:
    """Make a new secret; for 24 hours requests carry a signature of the old one as well."""
    found = await actions.rotate_secret(uow.session, caller, runtime.keyring, endpoint_id)
    await _note(uow, caller, "rotate_secret", endpoint_id)
    return _with_secret(*found)


@router.post("/{endpoint_id}/test", status_code=202, response_model=schemas.DeliveryOut)
async def test(endpoint_id: UUID, caller: Manager, uow: Uow, once: OnceOnly) -> JSONResponse:
    """Send an event of type `webhook.test`."""
    delivery = await actions.test(uow, caller, endpoint_id)
    await _note(uow, caller, "test", endpoint_id)
    return await once.reply(schemas.DeliveryOut.model_validate(delivery), 202)


@router.get("/{endpoint_id}/deliveries")
async def list_deliveries(
    endpoint_id: UUID,
    caller: JobsReader,
    page: Paging,
    uow: Uow,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state")] = None,
) -> schemas.DeliveryList:
    """List what was sent to an endpoint, newest first, with every attempt."""
    await _endpoint(uow, caller, endpoint_id)
    rows = await queries.list_deliveries(uow.session, endpoint_id, page, state)
    items = [schemas.DeliveryOut.model_validate(row) for row in rows.items]
    return schemas.DeliveryList(items=items, next_cursor=rows.next_cursor)


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay(
    endpoint_id: UUID, delivery_id: UUID, caller: Manager, uow: Uow
) -> schemas.DeliveryOut:
    """Send one delivery again, under the same `webhook-id`."""
    delivery = await actions.replay(uow, caller, endpoint_id, delivery_id)
    await _note(uow, caller, "replay", endpoint_id, delivery=delivery_id)
    return schemas.DeliveryOut.model_validate(delivery)


@router.post("/{endpoint_id}/replay", status_code=202)
async def replay_failed(
    endpoint_id: UUID,
    caller: Manager,
    uow: Uow,
    since: Annotated[AwareDatetime | None, Query(description="Only those made since then")] = None,
) -> schemas.ReplayedOut:
    """Send every failed delivery again, the oldest first; at most 1,000 by one request."""
    replayed = await actions.replay_failed(uow, caller, endpoint_id, since)
    await _note(uow, caller, "replay_failed", endpoint_id, since=since, count=replayed)
    return schemas.ReplayedOut(replayed=replayed)


async def _note(
    uow: UnitOfWork, caller: Caller, verb: str, endpoint_id: UUID, **detail: object
) -> None:
    subject = f"webhook:{endpoint_id}"
    await note(uow.session, caller.actor, f"webhooks.{verb}", subject, **detail)


async def _endpoint(uow: UnitOfWork, caller: Caller, endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = await queries.endpoint(uow.session, caller, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such webhook")
    return endpoint


def _with_secret(endpoint: WebhookEndpoint, secret: str) -> schemas.EndpointCreated:
    shown = schemas.EndpointOut.model_validate(endpoint)
    return schemas.EndpointCreated(**shown.model_dump(), secret=secret)
