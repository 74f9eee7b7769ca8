"""Every SQL statement of planning."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.access.models import User
from service.accounts.models import Account, AccountState
from service.kit.crontab import find_zone
from service.kit.pagination import Page, Rows, encode_cursor
from service.planning import rules
from service.planning.models import Occurrence, Recurrence, SlotPlan
from service.posts.models import Delivery, DeliveryState

FREE_STATES = (DeliveryState.CANCELLED, DeliveryState.FAILED)
"""States of deliveries that hold no slot."""


async def slot_plan(session: AsyncSession, account_id: UUID) -> SlotPlan | None:
    """Return the weekly plan of an account, whoever owns it."""
    return await session.get(SlotPlan, account_id)


async def slot_plans(
    session: AsyncSession, account_ids: Collection[UUID]
) -> Mapping[UUID, SlotPlan]:
    """Return the weekly plans of these accounts by account; some may have none."""
    found = await session.scalars(select(SlotPlan).where(SlotPlan.account_id.in_(account_ids)))
    return {plan.account_id: plan for plan in found}


async def put_slot_plan(session: AsyncSession, account_id: UUID, zone: str, slots: object) -> None:
    """Give an account a weekly plan in the place of any other."""
    statement = insert(SlotPlan).values(account_id=account_id, zone=zone, slots=slots)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[SlotPlan.account_id], set_={"zone": zone, "slots": slots}
        )
    )


async def delete_slot_plan(session: AsyncSession, account_id: UUID) -> None:
    """Take the weekly plan of an account away."""
    await session.execute(delete(SlotPlan).where(SlotPlan.account_id == account_id))


async def free_slots(
    session: AsyncSession, account_id: UUID, after: datetime, count: int
) -> list[datetime]:
    """Return the next times of an account's plan at which nothing of it goes out yet."""
    plan = await slot_plan(session, account_id)
    return [] if plan is None else await _free(session, plan, after, count)


async def take_slots(
    session: AsyncSession, account_ids: Collection[UUID], after: datetime
) -> dict[UUID, datetime]:
    """Return the next free slot of each account that has one; it stays free for this transaction.

    The accounts are locked in one order until the transaction ends, so that two of them, at once,
    never find the same slot.
    """
    locked = select(Account.id).where(Account.id.in_(account_ids)).order_by(Account.id)
    await session.execute(locked.with_for_update(key_share=True))
    plans = await slot_plans(session, account_ids)
    found = {}
    for account_id, plan in plans.items():
        if free := await _free(session, plan, after, 1):
            found[account_id] = free[0]
    return found


async def _free(
    session: AsyncSession, plan: SlotPlan, after: datetime, count: int
) -> list[datetime]:
    times = await session.scalars(
        select(Delivery.due_at).where(
            Delivery.account_id == plan.account_id,
            Delivery.due_at > after,
            Delivery.state.not_in(FREE_STATES),
            Delivery.position == 0,
        )
    )
    slots = rules.slot_times(plan.slots)
    return rules.free_slots(slots, find_zone(plan.zone), after, set(times), count)


def _visible(caller: Caller) -> Select[Recurrence]:
    statement = select(Recurrence)
    return statement if caller.is_admin else statement.where(Recurrence.owner_id == caller.user_id)


async def recurrence(
    session: AsyncSession, caller: Caller, recurrence_id: UUID
) -> Recurrence | None:
    """Return a recurring post if the caller may see it."""
    return await session.scalar(_visible(caller).where(Recurrence.id == recurrence_id))


async def recurrence_for_change(
    session: AsyncSession, caller: Caller, recurrence_id: UUID
) -> Recurrence | None:
    """Return a recurring post, locked, if the caller may see it."""
    statement = _visible(caller).where(Recurrence.id == recurrence_id).with_for_update()
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_recurrences(
    session: AsyncSession, caller: Caller, page: Page, *, ended: bool = True
) -> Rows[Recurrence]:
    """Return a page of recurring posts, newest first."""
    statement = _visible(caller).order_by(Recurrence.id.desc()).limit(page.limit + 1)
    if not ended:
        statement = statement.where(Recurrence.ended_at.is_(None))
    if page.before:
        statement = statement.where(Recurrence.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def due_recurrences(session: AsyncSession, moment: datetime, limit: int) -> Sequence[UUID]:
    """Return the recurring posts whose next occurrence is to be made, the most overdue first."""
    found = await session.scalars(
        select(Recurrence.id)
        .join(User, User.id == Recurrence.owner_id)
        .where(
            Recurrence.ended_at.is_(None),
            ~Recurrence.paused,
            Recurrence.create_at <= moment,
            User.disabled_at.is_(None),
        )
        .order_by(Recurrence.create_at, Recurrence.id)
        .limit(limit)
    )
    return found.all()


async def due_recurrence(
    session: AsyncSession, recurrence_id: UUID, moment: datetime
) -> tuple[Recurrence, str] | None:
    """Return a recurring post with its owner's name, locked; None if nobody must do anything.

    One that another worker has locked is that worker's.
    """
    found = await session.execute(
        select(Recurrence, User.name)
        .join(User, User.id == Recurrence.owner_id)
        .where(
            Recurrence.id == recurrence_id,
            Recurrence.ended_at.is_(None),
            ~Recurrence.paused,
            Recurrence.create_at <= moment,
        )
        .with_for_update(of=Recurrence, skip_locked=True)
    )
    row = found.one_or_none()
    return (row[0], row[1]) if row else None


async def claim_occurrence(session: AsyncSession, recurrence_id: UUID, occurs_at: datetime) -> bool:
    """Take an instant of a recurrence, once; one that was withdrawn may be taken again."""
    statement = insert(Occurrence).values(recurrence_id=recurrence_id, occurs_at=occurs_at)
    taken = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Occurrence.recurrence_id, Occurrence.occurs_at],
            set_={"withdrawn": False, "post_id": None},
            where=Occurrence.withdrawn.is_(True),
        ).returning(Occurrence.occurs_at)
    )
    return taken is not None


async def fill_occurrence(
    session: AsyncSession, recurrence_id: UUID, occurs_at: datetime, post_id: UUID
) -> None:
    """Note the post of an instant that was taken."""
    await session.execute(
        update(Occurrence)
        .where(Occurrence.recurrence_id == recurrence_id, Occurrence.occurs_at == occurs_at)
        .values(post_id=post_id)
    )


async def coming(
    session: AsyncSession, recurrence_ids: Collection[UUID], moment: datetime
) -> Mapping[UUID, Occurrence]:
    """Return the occurrence that is still to come, by recurring post."""
    found = await session.scalars(
        select(Occurrence)
        .where(
            Occurrence.recurrence_id.in_(recurrence_ids),
            Occurrence.occurs_at > moment,
            ~Occurrence.withdrawn,
        )
        .order_by(Occurrence.occurs_at.desc())
    )
    return {occurrence.recurrence_id: occurrence for occurrence in found}


async def withdraw(session: AsyncSession, recurrence_id: UUID, occurs_at: datetime) -> None:
    """Give the instant of an occurrence back."""
    await session.execute(
        update(Occurrence)
        .where(Occurrence.recurrence_id == recurrence_id, Occurrence.occurs_at == occurs_at)
        .values(withdrawn=True)
    )


async def last_occurrences(
    session: AsyncSession, recurrence_id: UUID, limit: int
) -> Sequence[Occurrence]:
    """Return the latest occurrences of a recurring post, newest first."""
    found = await session.scalars(
        select(Occurrence)
        .where(Occurrence.recurrence_id == recurrence_id, ~Occurrence.withdrawn)
        .order_by(Occurrence.occurs_at.desc())
        .limit(limit)
    )
    return found.all()


async def recurrence_of(session: AsyncSession, post_id: UUID) -> UUID | None:
    """Return the recurring post that a post is an occurrence of."""
    statement = select(Occurrence.recurrence_id).where(Occurrence.post_id == post_id).limit(1)
    return await session.scalar(statement)


async def platforms_of(session: AsyncSession, account_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return the platforms of these accounts."""
    found = await session.execute(
        select(Account.id, Account.platform).where(Account.id.in_(account_ids))
    )
    return {row.id: row.platform for row in found}


async def seen_account(session: AsyncSession, caller: Caller, account_id: UUID) -> UUID | None:
    """Return an account's id if the caller may see it."""
    statement = select(Account.id).where(Account.id == account_id)
    if not caller.is_admin:
        statement = statement.where(Account.owner_id == caller.user_id)
    return await session.scalar(statement)


async def usable_account(session: AsyncSession, caller: Caller, account_id: UUID) -> Account | None:
    """Return an account that the caller may see, locked, unless it was removed."""
    statement = select(Account).where(
        Account.id == account_id, Account.state != AccountState.DISCONNECTED
    )
    if not caller.is_admin:
        statement = statement.where(Account.owner_id == caller.user_id)
    return await session.scalar(statement.with_for_update(key_share=True))
