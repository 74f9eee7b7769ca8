"""HTTP of planning: the slots of accounts, and recurring posts."""

from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.kit.clock import now
from service.planning import actions, queries, rules, schemas
from service.planning.models import Occurrence, Recurrence
from service.posts.actions import Desk
from service.web import ERRORS, OnceOnly, Opened, Paging, PostsReader, PostsWriter, Uow

router = APIRouter(prefix="/v1", tags=["planning"], responses=ERRORS)
SHOWN = 50
"""Occurrences that a recurring post is shown with."""


async def writing_desk(runtime: Opened, uow: Uow, caller: PostsWriter) -> Desk:
    """Return what actions that make posts work with."""
    return Desk.of(runtime, uow, caller)


WritingDesk = Annotated[Desk, Depends(writing_desk)]


@router.get("/accounts/{account_id}/slots")
async def show_slots(account_id: UUID, caller: PostsReader, uow: Uow) -> schemas.SlotsOut:
    """Show the weekly plan of an account."""
    await _own(uow, caller, account_id)
    plan = await queries.slot_plan(uow.session, account_id)
    return schemas.SlotsOut(
        account_id=account_id,
        zone=plan.zone if plan else None,
        slots=[schemas.SlotOut(**slot) for slot in plan.slots] if plan else [],
    )


@router.put("/accounts/{account_id}/slots")
async def put_slots(
    account_id: UUID, body: schemas.SlotsIn, caller: PostsWriter, uow: Uow
) -> schemas.SlotsOut:
    """Give an account the times of its week, in the place of any others.

    A post with `"publish_at": "next_slot"` goes to the next of them that is free. What is
    scheduled already stays where it is.
    """
    await actions.put_slots(uow.session, caller, account_id, body)
    detail = {"zone": body.zone, "slots": len(body.slots)}
    await note(uow.session, caller.actor, "accounts.slots", f"account:{account_id}", **detail)
    return await show_slots(account_id, caller, uow)


@router.get("/accounts/{account_id}/slots/next")
async def next_slots(
    account_id: UUID,
    caller: PostsReader,
    uow: Uow,
    count: Annotated[int, Query(ge=1, le=100, description="How many are wanted")] = 10,
) -> schemas.NextSlots:
    """Show the next times of an account's plan at which nothing goes out yet."""
    await _own(uow, caller, account_id)
    plan = await queries.slot_plan(uow.session, account_id)
    found = await queries.free_slots(uow.session, account_id, now(), count)
    zone = ZoneInfo(plan.zone if plan else "UTC")
    return schemas.NextSlots(
        account_id=account_id,
        zone=plan.zone if plan else None,
        items=[schemas.NextSlot(at=at, local=at.astimezone(zone)) for at in found],
    )


@router.post("/posts/{post_id}/repeat", status_code=201, response_model=schemas.RecurrenceOut)
async def repeat(
    post_id: UUID, body: schemas.RepeatIn, desk: WritingDesk, once: OnceOnly
) -> JSONResponse:
    """Let a post come again and again, by a cron line or every so many days, weeks or months.

    Each occurrence is an ordinary post; the next one is always scheduled ahead.
    """
    return await once.reply(await begin(desk, post_id, body))


async def begin(desk: Desk, post_id: UUID, body: schemas.RepeatIn) -> schemas.RecurrenceOut:
    """Make a recurring post, and note who did."""
    made = await actions.repeat(desk, post_id, body)
    await _note(desk, "repeat", made.id, post=str(post_id))
    return await _show_one(desk.uow, made)


@router.get("/recurring")
async def list_recurring(caller: PostsReader, page: Paging, uow: Uow) -> schemas.RecurrenceList:
    """List recurring posts, newest first."""
    rows = await queries.list_recurrences(uow.session, caller, page)
    return schemas.RecurrenceList(items=await show(uow, rows.items), next_cursor=rows.next_cursor)


@router.get("/recurring/{recurrence_id}")
async def show_recurring(
    recurrence_id: UUID, caller: PostsReader, uow: Uow
) -> schemas.RecurrenceDetail:
    """Show a recurring post with its latest occurrences."""
    found = await queries.recurrence(uow.session, caller, recurrence_id)
    if found is None:
        raise NotFound("There is no such recurring post")
    latest = await queries.last_occurrences(uow.session, found.id, SHOWN)
    shown = await _show_one(uow, found)
    occurrences = [schemas.OccurrenceOut.model_validate(each) for each in latest]
    return schemas.RecurrenceDetail(**shown.model_dump(), occurrences=occurrences)


@router.patch("/recurring/{recurrence_id}")
async def change(
    recurrence_id: UUID, body: schemas.RecurrenceChange, desk: WritingDesk
) -> schemas.RecurrenceOut:
    """Change when a post comes again, or what it says; its coming occurrence is made anew."""
    found = await actions.change(desk, recurrence_id, body)
    await _note(desk, "change", recurrence_id, fields=sorted(body.model_fields_set))
    return await _show_one(desk.uow, found)


@router.post("/recurring/{recurrence_id}/pause")
async def pause(recurrence_id: UUID, desk: WritingDesk) -> schemas.RecurrenceOut:
    """Let it not come until it is resumed; its coming occurrence is cancelled."""
    found = await actions.pause(desk, recurrence_id)
    await _note(desk, "pause", recurrence_id)
    return await _show_one(desk.uow, found)


@router.post("/recurring/{recurrence_id}/resume")
async def resume(recurrence_id: UUID, desk: WritingDesk) -> schemas.RecurrenceOut:
    """Let it come again, from now on; nothing is made up for."""
    found = await actions.resume(desk, recurrence_id)
    await _note(desk, "resume", recurrence_id)
    return await _show_one(desk.uow, found)


@router.post("/recurring/{recurrence_id}/stop")
async def stop(recurrence_id: UUID, desk: WritingDesk) -> schemas.RecurrenceOut:
    """End it for good; its coming occurrence is cancelled, what was published stays."""
    found = await actions.stop(desk, recurrence_id)
    await _note(desk, "stop", recurrence_id)
    return await _show_one(desk.uow, found)


async def _own(uow: UnitOfWork, caller: Caller, account_id: UUID) -> None:
    if await queries.seen_account(uow.session, caller, account_id) is None:
        raise NotFound("There is no such account")


async def _note(desk: Desk, verb: str, recurrence_id: UUID, **detail: object) -> None:
    subject = f"recurring:{recurrence_id}"
    await note(desk.session, desk.caller.actor, f"recurring.{verb}", subject, **detail)


async def _show_one(uow: UnitOfWork, found: Recurrence) -> schemas.RecurrenceOut:
    (shown,) = await show(uow, [found])
    return shown


async def show(uow: UnitOfWork, rows: list[Recurrence]) -> list[schemas.RecurrenceOut]:
    """Return recurring posts as the API shows them."""
    moment = now()
    coming = await queries.coming(uow.session, [row.id for row in rows], moment)
    accounts = {UUID(each) for row in rows for each in row.content["accounts"]}
    platforms = await queries.platforms_of(uow.session, accounts)
    return [
        _show(
            row, coming.get(row.id), sorted({platforms[UUID(a)] for a in row.content["accounts"]})
        )
        for row in rows
    ]


def _show(
    row: Recurrence, coming: Occurrence | None, platforms: list[str]
) -> schemas.RecurrenceOut:
    return schemas.RecurrenceOut(
        id=row.id,
        state=_state(row),
        post_id=row.post_id,
        text=row.content["text"],
        accounts=[UUID(each) for each in row.content["accounts"]],
        cron=row.rhythm.get("cron"),
        every=None if "cron" in row.rhythm else row.rhythm,
        in_words=rules.in_words(row.rhythm),
        zone=row.zone,
        until=row.until,
        times=row.times,
        made=row.made,
        coming=schemas.OccurrenceOut.model_validate(coming) if coming else None,
        next_at=row.next_at,
        problem=row.problem,
        notes=notes(platforms),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _state(row: Recurrence) -> Literal["active", "paused", "ended"]:
    if row.ended_at is not None:
        return "ended"
    return "paused" if row.paused else "active"


def notes(platforms: list[str]) -> list[str]:
    """Return what to think of when the same text goes to these platforms again."""
    return [
        f"{name} refuses a text that it has had lately: give each occurrence words of its own"
        for name in platforms
        if name in rules.REFUSES_REPEATS
    ]
