"""Use cases of planning. None commits, none awaits the network."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.crontab import find_zone
from service.kit.ids import uuid7
from service.planning import making, queries, rules
from service.planning.models import Recurrence
from service.planning.schemas import EveryIn, RecurrenceChange, RepeatIn, SlotsIn
from service.posts import actions as posts
from service.posts.actions import Desk


async def put_slots(session: AsyncSession, caller: Caller, account_id: UUID, body: SlotsIn) -> None:
    """Give an account the times of its week; what is scheduled already stays where it is.

    Raises:
        NotFound: the caller has no such account.
        InvalidInput: the zone is unknown.
    """
    if await queries.usable_account(session, caller, account_id) is None:
        raise NotFound("There is no such account")
    try:
        find_zone(body.zone)
    except ValueError as error:
        raise InvalidInput([Problem("zone", str(error))]) from None
    slots = rules.slot_times([slot.model_dump() for slot in body.slots])
    if not slots:
        await queries.delete_slot_plan(session, account_id)
        return
    stored = [{"weekday": rules.WEEKDAYS[s.weekday], "at": f"{s.at:%H:%M}"} for s in slots]
    await queries.put_slot_plan(session, account_id, body.zone, stored)


async def repeat(desk: Desk, post_id: UUID, body: RepeatIn) -> Recurrence:
    """Let a post come again and again; its first occurrence is scheduled at once.

    The post itself stays as it is, and is no occurrence.

    Raises:
        NotFound: the caller has no such post.
        Forbidden: it needs an approval first.
        Conflict: it goes to no account.
        InvalidInput: it can never come, or does not fit its accounts any more.
    """
    post = await posts.repeatable(desk, post_id)
    moment, zone = now(), body.zone or post.zone
    made = Recurrence(
        id=uuid7(),
        owner_id=post.owner_id,
        post_id=post.id,
        content=posts.content_of(post),
        rhythm=_rhythm(body.cron, body.every, zone, post.publish_at or moment),
        zone=zone,
        until=body.until,
        times=body.times,
        made=0,
        paused=False,
        problem=None,
        ended_at=None,
        create_at=moment,
        created_at=moment,
    )
    desk.session.add(made)
    await _begin(desk, made, max(moment, post.publish_at or moment))
    return made


async def change(desk: Desk, recurrence_id: UUID, body: RecurrenceChange) -> Recurrence:
    """Change a recurring post: the coming occurrence is cancelled and made anew.

    Raises:
        NotFound: the caller has no such recurring post, or post.
        Conflict: it has ended, or its coming occurrence is on its way right now.
        InvalidInput: it can never come, or does not fit its accounts.
    """
    found = await _open(desk, recurrence_id)
    moment = now()
    sent = body.model_fields_set
    post = await posts.repeatable(desk, body.content_of) if body.content_of else None
    zone = body.zone or found.zone
    if body.cron is not None or body.every is not None:
        start = post and post.publish_at
        found.rhythm = _rhythm(body.cron, body.every, zone, start or moment)
    found.zone = zone
    found.until = body.until if "until" in sent else found.until
    found.times = body.times if "times" in sent else found.times
    if post is not None:
        found.content, found.post_id = posts.content_of(post), post.id
    await _withdraw(desk, found)
    if not found.paused:
        await _begin(desk, found, moment)
    else:
        _check(found, moment)
        await desk.session.flush()
    return found


async def pause(desk: Desk, recurrence_id: UUID) -> Recurrence:
    """Let a post not come again until it is resumed; the coming occurrence is cancelled.

    Raises:
        NotFound: the caller has no such recurring post.
        Conflict: it has ended, or its coming occurrence is on its way right now.
    """
    found = await _open(desk, recurrence_id)
    await _withdraw(desk, found)
    found.paused, found.next_at = True, None
    await desk.session.flush()
    return found


async def resume(desk: Desk, recurrence_id: UUID) -> Recurrence:
    """Let a post come again, from now on; nothing is made up for.

    Raises:
        NotFound: the caller has no such recurring post.
        Conflict: it has ended, or is not paused.
        InvalidInput: it does not come any more, or does not fit its accounts.
    """
    found = await _open(desk, recurrence_id)
    if not found.paused:
        raise Conflict("It is not paused")
    found.paused, found.problem = False, None
    await _begin(desk, found, now())
    return found


async def stop(desk: Desk, recurrence_id: UUID) -> Recurrence:
    """End a recurring post for good; the coming occurrence is cancelled.

    Raises:
        NotFound: the caller has no such recurring post.
        Conflict: it has ended, or its coming occurrence is on its way right now.
    """
    found = await _open(desk, recurrence_id)
    await _withdraw(desk, found)
    found.ended_at, found.next_at = now(), None
    await desk.session.flush()
    return found


async def _open(desk: Desk, recurrence_id: UUID) -> Recurrence:
    found = await queries.recurrence_for_change(desk.session, desk.caller, recurrence_id)
    if found is None:
        raise NotFound("There is no such recurring post")
    if found.ended_at is not None:
        raise Conflict("The recurring post has ended: make a new one of one of its posts")
    return found


def _rhythm(cron: str | None, every: EveryIn | None, zone: str, start: datetime) -> dict[str, Any]:
    """Return a rhythm as it is stored; days are counted from the day of `start`.

    Raises:
        InvalidInput: the zone is unknown.
    """
    if every is None:
        return {"cron": cron}
    try:
        local = start.astimezone(find_zone(zone))
    except ValueError as error:
        raise InvalidInput([Problem("zone", str(error))]) from None
    units = {"days": every.days, "weeks": every.weeks, "months": every.months}
    unit, count = next((unit, count) for unit, count in units.items() if count is not None)
    at = every.at or f"{local:%H:%M}"
    return {"unit": unit, "count": count, "at": at, "anchor": local.date().isoformat()}


def _check(found: Recurrence, after: datetime) -> datetime:
    """Return the first occurrence after an instant. Raises InvalidInput."""
    try:
        rhythm = rules.rhythm_of(found.rhythm, found.zone)
    except ValueError as error:
        field = "zone" if str(error).startswith("zone") else "cron"
        raise InvalidInput([Problem(field, str(error))]) from None
    if found.until is not None and found.until > after + rules.FARTHEST:
        raise InvalidInput([Problem("until", "lies more than ten years ahead")])
    if rules.too_close(rhythm, after):
        text = "comes more often than every 15 minutes"
        raise InvalidInput([Problem("cron", text)])
    coming = rules.next_occurrences(rhythm, after, found.until, 1)
    if not coming:
        raise InvalidInput([Problem("until", "is before the first occurrence")])
    if found.times is not None and found.made >= found.times:
        raise InvalidInput([Problem("times", f"is over: it has come {found.made} times")])
    return coming[0]


async def _begin(desk: Desk, found: Recurrence, after: datetime) -> None:
    """Schedule the first occurrence after an instant."""
    found.next_at = _check(found, after)
    found.create_at = now()
    await desk.session.flush()
    await making.make(desk, found, now())


async def _withdraw(desk: Desk, found: Recurrence) -> None:
    """Cancel the coming occurrence, and give its instant back."""
    coming = (await queries.coming(desk.session, [found.id], now())).get(found.id)
    if coming is None:
        return
    await queries.withdraw(desk.session, found.id, coming.occurs_at)
    found.made -= 1
    if coming.post_id is not None and await posts.is_open(desk, coming.post_id):
        await posts.cancel(desk, coming.post_id)
