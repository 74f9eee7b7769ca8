"""HTTP of notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.access.audit import note
from service.notifications import actions, queries, schemas
from service.web import ERRORS, JobsOperator, JobsReader, Paging, Uow

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], responses=ERRORS)


@router.get("")
async def list_notices(
    caller: JobsReader,
    page: Paging,
    uow: Uow,
    unread: Annotated[bool, Query(description="Only those that nobody has read")] = False,  # noqa: FBT002 - a query
) -> schemas.NoticeList:
    """List incidents, newest first: jobs that failed for good, webhooks that were disabled."""
    rows = await queries.list_notices(uow.session, caller, page, unread=unread)
    items = [schemas.NoticeOut.model_validate(row) for row in rows.items]
    return schemas.NoticeList(items=items, next_cursor=rows.next_cursor)


@router.post("/read")
async def read_all(caller: JobsReader, uow: Uow) -> schemas.ReadOut:
    """Mark everything as read."""
    return schemas.ReadOut(read=await actions.mark_all_read(uow.session, caller))


@router.post("/{notice_id}/read")
async def read(notice_id: UUID, caller: JobsReader, uow: Uow) -> schemas.NoticeOut:
    """Mark one as read."""
    notice = await actions.mark_read(uow.session, caller, notice_id)
    return schemas.NoticeOut.model_validate(notice)


@router.post("/{notice_id}/resolve")
async def resolve(notice_id: UUID, caller: JobsOperator, uow: Uow) -> schemas.NoticeOut:
    """End an incident; what happens again is a new one."""
    notice = await actions.resolve(uow.session, caller, notice_id)
    await note(uow.session, caller.actor, "notifications.resolve", f"notice:{notice_id}")
    return schemas.NoticeOut.model_validate(notice)
