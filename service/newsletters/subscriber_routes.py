"""HTTP of subscribers."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.newsletters import (
    importing,
    queries,
    subscriber_actions,
    subscriber_queries,
    views,
)
from service.newsletters.importing_rules import csv_header, csv_lines
from service.newsletters.models import Subscriber, SubscriberState
from service.newsletters.subscriber_queries import Wanted
from service.newsletters.subscriber_schemas import (
    ImportOut,
    SubscriberChange,
    SubscriberIn,
    SubscriberList,
    SubscriberOut,
)
from service.newsletters.tokens import Links
from service.runtime import Runtime
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Opened, Paging, Uow

router = APIRouter(prefix="/v1", tags=["subscribers"], responses=ERRORS)
Search = Annotated[str | None, Query(max_length=200, description="In address or name")]
Tag = Annotated[str | None, Query(max_length=50, description="Only who has it")]


@router.get("/subscribers")
async def list_subscribers(  # noqa: PLR0913, PLR0917 - one parameter is one filter
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: Annotated[SubscriberState | None, Query(description="Only such")] = None,
    tag: Tag = None,
    search: Search = None,
) -> SubscriberList:
    """List subscribers, newest first."""
    return await listed(uow, caller, page, Wanted(None, state, tag, search))


@router.get("/newsletters/{newsletter_id}/subscribers")
async def list_of_newsletter(  # noqa: PLR0913, PLR0917 - one parameter is one filter
    newsletter_id: UUID,
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: Annotated[
        SubscriberState | None,
        Query(description="Of the subscription (pending, active, unsubscribed) or the person"),
    ] = None,
    tag: Tag = None,
    search: Search = None,
) -> SubscriberList:
    """List who has, had or asked for a newsletter, newest first."""
    await _own(uow, caller, newsletter_id)
    return await listed(uow, caller, page, Wanted(newsletter_id, state, tag, search))


async def listed(uow: UnitOfWork, caller: Caller, page: Paging, wanted: Wanted) -> SubscriberList:
    """Return a page of subscribers as the API shows them."""
    rows = await subscriber_queries.list_subscribers(uow.session, caller, page, wanted)
    items = await views.subscribers(uow.session, rows.items)
    return SubscriberList(items=items, next_cursor=rows.next_cursor)


@router.post("/subscribers", status_code=201, response_model=SubscriberOut)
async def make(
    body: SubscriberIn, caller: ContentWriter, runtime: Opened, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Add a person, or newsletters to one who is there.

    For each newsletter they are mailed a link by which they confirm; with `consent`, which says
    where they have said yes, they get it at once. Who has unsubscribed before is asked anyway.
    """
    return await once.reply(await create(runtime, uow, caller, body))


async def create(
    runtime: Runtime, uow: UnitOfWork, caller: Caller, body: SubscriberIn
) -> SubscriberOut:
    """Add a person, and note who did."""
    links = Links(runtime.keyring, runtime.settings.base_url)
    made = await subscriber_actions.add(uow, caller, body, links)
    return await _done(uow, caller, made, "add", consent=body.consent is not None)


@router.get("/subscribers/{subscriber_id}")
async def show_subscriber(subscriber_id: UUID, caller: ContentReader, uow: Uow) -> SubscriberOut:
    """Show a subscriber."""
    found = await subscriber_queries.subscriber(uow.session, caller, subscriber_id)
    if found is None:
        raise NotFound("There is no such subscriber")
    (shown,) = await views.subscribers(uow.session, [found])
    return shown


@router.patch("/subscribers/{subscriber_id}")
async def change_subscriber(
    subscriber_id: UUID, body: SubscriberChange, caller: ContentWriter, uow: Uow
) -> SubscriberOut:
    """Change a subscriber; who is blocked or unsubscribed gets nothing from here on."""
    found = await subscriber_actions.change(uow.session, caller, subscriber_id, body)
    return await _done(uow, caller, found, "change", fields=sorted(body.model_fields_set))


@router.delete("/subscribers/{subscriber_id}", status_code=204)
async def delete_subscriber(subscriber_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete a subscriber; the figures of issues stay, without address and name."""
    await subscriber_actions.delete(uow.session, caller, subscriber_id)
    await note(uow.session, caller.actor, "subscribers.delete", f"subscriber:{subscriber_id}")
    return Response(status_code=204)


@router.post("/subscribers/import")
async def import_subscribers(  # noqa: PLR0913 - one parameter is one option
    newsletter_id: Annotated[UUID, Query(description="What they are to get")],
    file: UploadFile,
    caller: ContentWriter,
    runtime: Opened,
    *,
    consent: Annotated[
        str | None,
        Query(
            min_length=3,
            max_length=500,
            description="Where they said yes: given, they are not asked by a mail",
        ),
    ] = None,
    dry_run: Annotated[bool, Query(description="Look at everything, store nothing")] = False,
) -> ImportOut:
    """Import subscribers of a newsletter from CSV or JSON lines; a repeat changes nothing.

    Columns: `address` (or email), `name`, `tags` (parted by commas); others become attributes. Bad
    lines are left out and told of. Who has unsubscribed, is blocked, or whom nothing is mailed to
    stays so.
    """
    options = importing.Options(consent=consent, dry_run=dry_run)
    return await importing.take(runtime, caller, newsletter_id, file.file, options)


@router.get(
    "/newsletters/{newsletter_id}/subscribers.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
async def export_subscribers(
    newsletter_id: UUID, caller: ContentWriter, runtime: Opened, uow: Uow
) -> StreamingResponse:
    """Export everybody who has, had or asked for a newsletter, as CSV."""
    await _own(uow, caller, newsletter_id)
    await note(uow.session, caller.actor, "subscribers.export", f"newsletter:{newsletter_id}")

    async def lines() -> AsyncIterator[str]:
        yield csv_header()
        async with runtime.unit_of_work() as reading:
            batches = subscriber_queries.exported(reading.session, caller, newsletter_id)
            async for rows in batches:
                yield csv_lines(rows)

    headers = {"Content-Disposition": 'attachment; filename="subscribers.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def _own(uow: UnitOfWork, caller: Caller, newsletter_id: UUID) -> None:
    if await queries.newsletter(uow.session, caller, newsletter_id) is None:
        raise NotFound("There is no such newsletter")


async def _done(
    uow: UnitOfWork, caller: Caller, found: Subscriber, verb: str, **detail: object
) -> SubscriberOut:
    subject = f"subscriber:{found.id}"
    await note(uow.session, caller.actor, f"subscribers.{verb}", subject, **detail)
    (shown,) = await views.subscribers(uow.session, [found])
    return shown
