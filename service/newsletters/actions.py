"""Use cases of newsletters. None commits, none awaits the network."""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.crontab import find_zone
from service.kit.ids import uuid7
from service.kit.urls import url_problem
from service.newsletters import issue_actions, issue_queries, queries, rules
from service.newsletters.event_actions import mail_event as mail_event  # what mails tell of
from service.newsletters.models import (
    Frequency,
    Issue,
    Newsletter,
    NewsletterState,
)
from service.newsletters.schemas import NewsletterChange, NewsletterIn
from service.providers.mail.addresses import check
from service.providers.mail.headers import header_problem

RHYTHM = {"frequency", "send_time", "zone"}
"""Fields by which the next time is reckoned anew."""


async def create(
    session: AsyncSession, caller: Caller, body: NewsletterIn, site_zone: str
) -> Newsletter:
    """Make a newsletter; one that comes by itself comes at the next send time.

    Raises:
        InvalidInput: a zone, an address, a source or the slug is bad.
    """
    given = body.model_dump()
    values = {**given, "zone": body.zone or site_zone, "tags": rules.distinct(body.tags)}
    problems = _problems(values)
    if body.slug and await queries.slug_taken(session, body.slug):
        problems.append(Problem("slug", "is another newsletter's", "taken"))
    if problems:
        raise InvalidInput(problems)
    values["slug"] = body.slug or await _free_slug(session, body.name)
    made = Newsletter(
        id=uuid7(),
        owner_id=caller.user_id,
        created_at=now(),
        status=NewsletterState.ACTIVE,
        last_sent_at=None,
        **values,
    )
    reckon(made, now())
    session.add(made)
    await session.flush()
    return made


async def change(
    session: AsyncSession, caller: Caller, newsletter_id: UUID, body: NewsletterChange
) -> Newsletter:
    """Change a newsletter; what is being sent stays as it began.

    Raises:
        NotFound: the caller has no such newsletter.
        Conflict: it was cancelled.
        InvalidInput: a zone, an address, a source or the slug is bad.
    """
    found = await _open(session, caller, newsletter_id)
    values = {k: v for k, v in body.model_dump(exclude_unset=True).items() if v is not None}
    problems = _problems(values)
    if body.slug and await queries.slug_taken(session, body.slug, but=found.id):
        problems.append(Problem("slug", "is another newsletter's", "taken"))
    if problems:
        raise InvalidInput(problems)
    for name, value in values.items():
        setattr(found, name, rules.distinct(value) if name == "tags" else value)
    if "frequency" in values:
        found.month_day = None
    if RHYTHM & values.keys():
        reckon(found, now())
    await session.flush()
    return found


async def pause(session: AsyncSession, caller: Caller, newsletter_id: UUID) -> Newsletter:
    """Let a newsletter not come by itself until it is resumed. Raises NotFound, Conflict."""
    found = await _open(session, caller, newsletter_id)
    found.status = NewsletterState.PAUSED
    await session.flush()
    return found


async def resume(session: AsyncSession, caller: Caller, newsletter_id: UUID) -> Newsletter:
    """Let a newsletter come again, from now on; nothing is made up for.

    Raises NotFound, Conflict.
    """
    found = await _open(session, caller, newsletter_id)
    if found.status != NewsletterState.PAUSED:
        raise Conflict("The newsletter is not paused")
    found.status = NewsletterState.ACTIVE
    reckon(found, now())
    await session.flush()
    return found


async def cancel(session: AsyncSession, caller: Caller, newsletter_id: UUID) -> Newsletter:
    """End a newsletter for good; its issues and subscribers stay to be read.

    Raises NotFound; Conflict while an issue is being sent.
    """
    found = await _open(session, caller, newsletter_id)
    if await issue_queries.at_work(session, found.id):
        raise Conflict("An issue of it is being written or sent: cancel that first")
    found.status, found.next_due_at = NewsletterState.CANCELLED, None
    await session.flush()
    return found


async def delete(session: AsyncSession, caller: Caller, newsletter_id: UUID) -> None:
    """Delete a newsletter with its issues; its subscribers stay.

    Raises NotFound; Conflict unless it was cancelled.
    """
    found = await queries.newsletter_for_change(session, caller, newsletter_id)
    if found is None:
        raise NotFound("There is no such newsletter")
    if found.status != NewsletterState.CANCELLED:
        raise Conflict("Cancel the newsletter first: nobody gets it from then on")
    await queries.delete_newsletter(session, found.id)


async def send(
    uow: UnitOfWork, caller: Caller, newsletter_id: UUID, issue_id: UUID | None
) -> Issue:
    """Send an issue now: this one, the oldest approved one, or one that is written for it.

    Raises:
        NotFound: the caller has no such newsletter, or it no such issue.
        Conflict: there is nothing to send, or the issue is in no state to be sent.
        InvalidInput: the issue lacks something.
    """
    found = await _open(uow.session, caller, newsletter_id)
    if issue_id is None:
        ready = await issue_queries.oldest_approved(uow.session, found.id)
        if ready is None and found.automatic:
            return await issue_actions.begin_writing(uow, found, period=None)
        if ready is None:
            raise Conflict("No issue of it is approved: write one, or name the issue")
        issue_id = ready.id
    issue = await issue_queries.issue_for_change(uow.session, caller, issue_id)
    if issue is None or issue.newsletter_id != found.id:
        raise NotFound("The newsletter has no such issue")
    return await issue_actions.send(uow, caller, issue_id)


async def check_due(uow: UnitOfWork, moment: datetime) -> dict[str, int]:
    """Begin an issue of every newsletter that is due; each period has one.

    An automatic one gets an issue that a job writes; another one sends its oldest approved issue,
    and where there is none is looked at again at the next day's send time.

    Returns:
        How many issues are `written`, `sent`, and how many newsletters had `nothing` to send.
    """
    told = {"written": 0, "sent": 0, "nothing": 0}
    while page := await queries.due(uow.session, moment, 100):
        for found in page:
            told[await _begin(uow, found, moment)] += 1
        await uow.session.flush()
    return told


async def _begin(uow: UnitOfWork, found: Newsletter, moment: datetime) -> str:
    assert found.next_due_at is not None, "only what is due was asked for"
    zone, at = ZoneInfo(found.zone), time.fromisoformat(found.send_time)
    due_at, period = found.next_due_at, rules.period(found.next_due_at, zone)
    found.next_due_at = rules.due_after(due_at, found.frequency, zone, at, found.month_day, moment)
    if await issue_queries.issue_of_period(uow.session, found.id, period) is not None:
        return "nothing"
    if found.automatic:
        await issue_actions.begin_writing(uow, found, period=period)
        return "written"
    ready = await issue_queries.oldest_approved(uow.session, found.id)
    if ready is None:
        found.next_due_at = rules.next_send_time(moment + timedelta(microseconds=1), zone, at)
        return "nothing"
    ready.period = period
    await issue_actions.begin(uow, ready)
    return "sent"


async def was_sent(
    session: AsyncSession, newsletter_id: UUID, sent_at: datetime, *, own: bool
) -> None:
    """Note that an issue has gone out to everybody.

    Args:
        session: of the transaction that ends the issue.
        newsletter_id: whose issue.
        sent_at: when.
        own: whether it was the issue of a period; after any other the next one is reckoned anew.
    """
    found = await queries.any_newsletter(session, newsletter_id, lock=True)
    assert found is not None, "an issue has a newsletter"
    found.last_sent_at = max(found.last_sent_at or sent_at, sent_at)
    if not own and found.status != NewsletterState.CANCELLED:
        found.month_day = None
        reckon(found, sent_at)
    await session.flush()


def reckon(found: Newsletter, moment: datetime) -> None:
    """Set when a newsletter is due next: a step after the last issue, else at the next send time.

    What has passed by then is due at the next send time.
    """
    zone, at = ZoneInfo(found.zone), time.fromisoformat(found.send_time)
    if found.frequency == Frequency.MANUAL:
        found.next_due_at = found.month_day = None
        return
    soon = rules.next_send_time(moment, zone, at)
    following = found.last_sent_at and rules.next_due(
        found.last_sent_at, found.frequency, zone, at, found.month_day
    )
    found.next_due_at = max(soon, following) if following else soon
    if found.frequency != Frequency.MONTHLY:
        found.month_day = None
    elif found.month_day is None:
        found.month_day = (found.last_sent_at or found.next_due_at).astimezone(zone).day


async def _open(session: AsyncSession, caller: Caller, newsletter_id: UUID) -> Newsletter:
    found = await queries.newsletter_for_change(session, caller, newsletter_id)
    if found is None:
        raise NotFound("There is no such newsletter")
    if found.status == NewsletterState.CANCELLED:
        raise Conflict("The newsletter was cancelled: make a new one")
    return found


async def _free_slug(session: AsyncSession, name: str) -> str:
    wanted = rules.slug_of(name) or "newsletter"
    taken = await queries.slugs_like(session, wanted)
    if wanted not in taken:
        return wanted
    return next(slug for n in range(2, len(taken) + 3) if (slug := f"{wanted}-{n}") not in taken)


def _problems(values: dict[str, object]) -> list[Problem]:
    problems = []
    if isinstance(zone := values.get("zone"), str):
        try:
            find_zone(zone)
        except ValueError as error:
            problems.append(Problem("zone", str(error)))
    for name in ("sender_address", "reply_to", "unsubscribe_address"):
        if address := values.get(name):
            try:
                values[name] = check(str(address))
            except ValueError as error:
                problems.append(Problem(name, str(error)))
    for name in ("name", "sender_name"):
        if problem := header_problem(str(values.get(name) or "")):
            problems.append(Problem(name, problem))
    for n, source in enumerate(_list(values.get("sources"))):
        if problem := url_problem(str(source)):
            problems.append(Problem(f"sources.{n}", problem))
    return problems


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
