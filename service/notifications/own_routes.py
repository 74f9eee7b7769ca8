"""HTTP of what single users are told; mounted by `routes`, whose paths could be taken for these."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.access.audit import note
from service.notifications import own_actions, own_queries, own_schemas, schemas
from service.web import Anybody, Paging, Uow

router = APIRouter()


@router.get("/mine")
async def list_own(
    caller: Anybody,
    page: Paging,
    uow: Uow,
    unread: Annotated[bool, Query(description="Only those not read yet")] = False,  # noqa: FBT002 - a query
) -> own_schemas.OwnNotificationList:
    """List what the caller was told, newest first."""
    rows = await own_queries.list_own(uow.session, caller, page, unread=unread)
    items = [own_schemas.OwnNotification.model_validate(row) for row in rows.items]
    return own_schemas.OwnNotificationList(items=items, next_cursor=rows.next_cursor)


@router.post("/mine/read")
async def read_all_own(caller: Anybody, uow: Uow) -> schemas.ReadOut:
    """Mark everything that the caller was told as read."""
    return schemas.ReadOut(read=await own_queries.mark_all_read(uow.session, caller))


@router.post("/mine/{notification_id}/read")
async def read_own(notification_id: UUID, caller: Anybody, uow: Uow) -> own_schemas.OwnNotification:
    """Mark one as read."""
    found = await own_actions.mark_read(uow.session, caller, notification_id)
    return own_schemas.OwnNotification.model_validate(found)


@router.get("/settings")
async def show_settings(caller: Anybody, uow: Uow) -> own_schemas.SettingsOut:
    """Show how the caller wants to be told."""
    found = await own_actions.show_settings(uow.session, caller)
    return own_schemas.SettingsOut.model_validate(found)


@router.put("/settings")
async def put_settings(
    body: own_schemas.SettingsIn, caller: Anybody, uow: Uow
) -> own_schemas.SettingsOut:
    """Change how the caller wants to be told: where mails go, and when."""
    found = await own_actions.put_settings(uow.session, caller, body.email, body.mail)
    await note(
        uow.session, caller.actor, "notifications.settings", f"user:{caller.name}", mail=found.mail
    )
    return own_schemas.SettingsOut.model_validate(found)
