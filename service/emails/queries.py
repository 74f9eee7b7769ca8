"""Every SQL statement of mails that a request needs; attempts and events have their own files."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.emails import rules
from service.emails.models import Bounce, Email, MailPace, MailState, StoredEvent, Suppression
from service.emails.rules import Pace as Pace  # what others limit by
from service.emails.rules import Reserved as Reserved
from service.emails.rules import is_bounce as is_bounce
from service.emails.rules import is_hard as is_hard
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.providers.mail.addresses import key

MOST_BLANKED = 10_000
"""Mails whose content is forgotten in one go; the next one goes on."""


async def suppressed(session: AsyncSession, addresses: Collection[str]) -> set[str]:
    """Return those of these addresses that nothing is mailed to, as they were given."""
    keys = {address: key(address) for address in addresses}
    statement = select(Suppression.address).where(Suppression.address.in_(set(keys.values())))
    found = set(await session.scalars(statement))
    return {address for address, its_key in keys.items() if its_key in found}


async def reserve(session: AsyncSession, wanted: int, now: datetime, pace: Pace) -> Reserved:
    """Take up to so many places in the pace of all workers.

    The pace stays locked until the transaction ends: commit soon, and wait for `at` after it.

    Args:
        session: of a transaction of its own.
        wanted: mails that are to go out.
        now: the present instant.
        pace: the limits; without any, nothing is read or written.
    """
    if pace == Pace():
        return Reserved(wanted, now)
    row = await _locked_pace(session, now)
    seen = rules.Progress(row.next_at, row.day, row.sent)
    reserved, used = rules.grant(pace, seen, wanted, now)
    if reserved.count:
        values = {"next_at": used.next_at, "day": used.day, "sent": used.sent}
        await session.execute(update(MailPace).values(values))
    return reserved


async def _locked_pace(session: AsyncSession, now: datetime) -> MailPace:
    locked = select(MailPace).with_for_update()
    if (row := await session.scalar(locked)) is None:
        first = {"id": 1, "next_at": now, "day": now.date(), "sent": 0}
        await session.execute(insert(MailPace).values(first).on_conflict_do_nothing())
        row = (await session.scalars(locked)).one()
    return row


async def insert_emails(
    session: AsyncSession, rows: Sequence[dict[str, Any]]
) -> Sequence[tuple[UUID, str]]:
    """Insert mails; return id and state of those whose key is new."""
    statement = insert(Email).on_conflict_do_nothing(index_elements=[Email.key])
    result = await session.execute(statement.returning(Email.id, Email.state), list(rows))
    return [(row.id, row.state) for row in result]


def _visible(caller: Caller) -> Select[Email]:
    statement = select(Email)
    return statement if caller.is_admin else statement.where(Email.owner_id == caller.user_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mails a list shows; None is any."""

    state: MailState | None = None
    kind: str | None = None
    address: str | None = None


async def list_emails(
    session: AsyncSession, caller: Caller, page: Page, wanted: Wanted
) -> Rows[Email]:
    """Return a page of mails, newest first."""
    statement = _visible(caller).order_by(Email.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Email.id < page.before)
    if wanted.state:
        statement = statement.where(Email.state == wanted.state)
    if wanted.kind:
        statement = statement.where(Email.kind == wanted.kind)
    if wanted.address:
        statement = statement.where(Email.address == wanted.address)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def counts(
    session: AsyncSession, caller: Caller, states: Collection[MailState], most: int
) -> dict[MailState, int]:
    """Return how many mails are in each of these states, counted up to `most`."""
    found = {}
    for state in states:
        some = _visible(caller).where(Email.state == state).limit(most).subquery()
        found[state] = await session.scalar(select(func.count()).select_from(some)) or 0
    return found


async def places_taken(session: AsyncSession, today: date) -> int:
    """Return the places that were taken today (UTC) in the pace, which counts where it limits."""
    taken = select(MailPace.sent).where(MailPace.day == today)
    return await session.scalar(taken) or 0


async def email(session: AsyncSession, caller: Caller, email_id: UUID) -> Email | None:
    """Return a mail if the caller may see it."""
    return await session.scalar(_visible(caller).where(Email.id == email_id))


async def email_for_change(session: AsyncSession, caller: Caller, email_id: UUID) -> Email | None:
    """Return a mail, locked until the transaction ends, if the caller may see it."""
    return await session.scalar(_visible(caller).where(Email.id == email_id).with_for_update())


async def email_of_key(session: AsyncSession, email_key: str) -> Email | None:
    """Return the mail of this key, whosever it is."""
    return await session.scalar(select(Email).where(Email.key == email_key))


async def list_suppressions(session: AsyncSession, page: Page) -> Rows[Suppression]:
    """Return a page of the addresses that nothing is mailed to, newest first."""
    statement = select(Suppression).order_by(Suppression.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Suppression.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def suppress(session: AsyncSession, address: str, values: dict[str, str]) -> bool:
    """Suppress an address; return False if it was before, for whatever reason."""
    new = insert(Suppression).values(id=uuid7(), address=key(address), **values)
    statement = new.on_conflict_do_nothing(index_elements=[Suppression.address])
    return await session.scalar(statement.returning(Suppression.id)) is not None


async def suppression(session: AsyncSession, address: str) -> Suppression | None:
    """Return why nothing is mailed to an address."""
    return await session.scalar(select(Suppression).where(Suppression.address == key(address)))


async def suppressed_address(session: AsyncSession, suppression_id: UUID) -> str | None:
    """Return the address of a suppression."""
    mine = Suppression.id == suppression_id
    return await session.scalar(select(Suppression.address).where(mine))


async def unsuppress(session: AsyncSession, address: str) -> bool:
    """Let mails go to an address again, its bounces forgotten; return False if they did."""
    await session.execute(delete(Bounce).where(Bounce.address == key(address)))
    gone = delete(Suppression).where(Suppression.address == key(address))
    return await session.scalar(gone.returning(Suppression.id)) is not None


async def add_bounce(session: AsyncSession, values: dict[str, Any]) -> Sequence[datetime]:
    """Write a bounce down; return when the address's soft ones of the last while were."""
    session.add(Bounce(**values))
    await session.flush()
    since = values["at"] - rules.SOFT_WITHIN
    soft = select(Bounce.at).where(
        Bounce.address == values["address"], Bounce.at >= since, Bounce.hard.is_(False)
    )
    return (await session.scalars(soft)).all()


async def forget_soft_bounces(session: AsyncSession, addresses: Collection[str]) -> None:
    """A mail arrived at these addresses: bounces are counted from here."""
    keys = sorted({key(address) for address in addresses})
    await session.execute(delete(Bounce).where(Bounce.address.in_(keys), Bounce.hard.is_(False)))


async def blank(session: AsyncSession, before: datetime) -> int:
    """Forget what mails said that came to their end; their rows stay, so that keys do."""
    ended = (MailState.SENT, MailState.SUPPRESSED, MailState.REFUSED)
    says = or_(Email.html != literal_column("''"), Email.text != literal_column("''"))
    old = select(Email.id).where(Email.created_at < before, Email.state.in_(ended), says)
    some = old.order_by(Email.created_at).limit(MOST_BLANKED)
    result = await session.execute(
        update(Email).where(Email.id.in_(some)).values(html="", text="").returning(Email.id)
    )
    return len(result.all())


async def forget_events(session: AsyncSession, before: datetime) -> int:
    """Delete events that were told before; return how many."""
    gone = delete(StoredEvent).where(StoredEvent.created_at < before)
    return len((await session.execute(gone.returning(StoredEvent.id))).all())
