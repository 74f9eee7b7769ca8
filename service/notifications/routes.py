"""HTTP of notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from service.access import queries as access
from service.access.audit import note
from service.errors import InvalidInput, Problem
from service.notifications import actions, own_schemas, queries, schemas
from service.notifications.actions import News
from service.notifications.own_routes import router as own_router
from service.web import ERRORS, Admin, JobsOperator, JobsReader, OnceOnly, Paging, Uow

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], responses=ERRORS)
router.include_router(own_router)  # first: `/{notice_id}/read` would take its paths


@router.post("", status_code=201, response_model=own_schemas.NewsOut)
async def tell(body: own_schemas.NewsIn, caller: Admin, uow: Uow, once: OnceOnly) -> JSONResponse:
    """Tell a user something, or everybody; by a mail too if they want one."""
    news = News(body.title, body.text, body.link, key=body.key)
    if body.everybody:
        told = await actions.notify_everybody(uow, news)
    else:
        user = await access.user_by_name(uow.session, body.user or "")
        if user is None or user.disabled_at is not None:
            raise InvalidInput([Problem("user", "is no user, or disabled")])
        told = int(await actions.notify(uow, user.id, news) is not None)
    subject = "everybody" if body.everybody else f"user:{body.user}"
    await note(uow.session, caller.actor, "notifications.tell", subject, told=told)
    return await once.reply(own_schemas.NewsOut(told=told))


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
