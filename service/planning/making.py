"""Making the next occurrence of a recurring post: claimed once, scheduled as an ordinary post."""

import dataclasses
from datetime import datetime
from uuid import UUID

from service.access.caller import Caller, Scope
from service.db.session import UnitOfWork
from service.errors import AlmanacError
from service.kit.clock import now
from service.notifications import actions as notifications
from service.planning import queries, rules
from service.planning.models import Recurrence
from service.posts import actions as posts
from service.posts.actions import Desk
from service.runtime import Runtime

AT_ONCE = 500
"""Recurring posts that one run of the job looks after."""


async def make(desk: Desk, found: Recurrence, moment: datetime) -> bool:
    """Schedule the next occurrence, and note when the one after it is to be made.

    What was due while nobody looked is left out: of a burst nobody is helped. Whoever made an
    occurrence has claimed its instant, so that no other worker, and no repeat, makes it again.

    Args:
        desk: of whoever asks; the post belongs to the owner of the recurrence, and its content is
            as good as when it was approved.
        found: the recurring post, locked.
        moment: now.

    Returns:
        whether there is a new post.

    Raises:
        InvalidInput: the content does not fit its accounts any more.
    """
    rhythm = rules.rhythm_of(found.rhythm, found.zone)
    occurs_at = found.next_at
    if occurs_at is not None and occurs_at <= moment:
        occurs_at = next(iter(rules.next_occurrences(rhythm, moment, found.until, 1)), None)
    if occurs_at is None:
        found.next_at, found.ended_at = None, moment
        await desk.session.flush()
        return False
    made = await queries.claim_occurrence(desk.session, found.id, occurs_at)
    if made:
        body = posts.body_of(found.content, occurs_at, found.zone)
        post = await posts.schedule(_as_owner(desk, found), body)
        await queries.fill_occurrence(desk.session, found.id, occurs_at, post.id)
        found.made += 1
    following = rules.next_occurrences(rhythm, occurs_at, found.until, 1)
    over = found.times is not None and found.made >= found.times
    found.next_at = None if over or not following else following[0]
    # One post is there ahead; its time is when the next is made, or when nothing more comes.
    found.create_at = occurs_at
    await desk.session.flush()
    return made


def _as_owner(desk: Desk, found: Recurrence) -> Desk:
    """Return a desk at which the owner's post needs no approval: its content has had it."""
    caller = Caller(found.owner_id, desk.caller.name, frozenset({Scope.ADMIN}))
    return dataclasses.replace(desk, caller=caller)


async def make_due(runtime: Runtime) -> int:
    """Make every occurrence that is to be made now; return how many posts that were."""
    moment = now()
    async with runtime.unit_of_work() as uow:
        due = await queries.due_recurrences(uow.session, moment, AT_ONCE)
    made = 0
    for recurrence_id in due:
        try:
            async with runtime.unit_of_work() as uow:
                locked = await queries.due_recurrence(uow.session, recurrence_id, moment)
                if locked is not None:
                    made += await make(_desk(runtime, uow, *locked), locked[0], moment)
        except AlmanacError as error:
            async with runtime.unit_of_work() as uow:
                await _give_up(uow, recurrence_id, moment, error)
    return made


def _desk(runtime: Runtime, uow: UnitOfWork, found: Recurrence, owner: str) -> Desk:
    return Desk.of(runtime, uow, Caller(found.owner_id, owner, frozenset({Scope.ADMIN})))


async def _give_up(
    uow: UnitOfWork, recurrence_id: UUID, moment: datetime, error: AlmanacError
) -> None:
    """Pause what cannot be made, and tell its owner why."""
    locked = await queries.due_recurrence(uow.session, recurrence_id, moment)
    if locked is None:
        return
    found = locked[0]
    found.paused, found.problem, found.next_at = True, error.message, None
    await uow.session.flush()
    incident = notifications.Incident(
        kind="recurrence.refused",
        key=f"recurrence.refused:{found.id}",
        title="A recurring post has paused",
        text=f"Its next post could not be scheduled: {error.message}"[:2000],
        owner_id=found.owner_id,
    )
    await notifications.report(uow, incident, mail=True)
