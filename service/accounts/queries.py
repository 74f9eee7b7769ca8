"""Every SQL statement of accounts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.access.caller import Caller
from service.accounts.models import Account as Account  # what the queries return
from service.accounts.models import AccountState as AccountState
from service.kit.pagination import Page, Rows, encode_cursor

RESEALED_AT_ONCE = 100


async def clock(session: AsyncSession) -> datetime:
    """Return PostgreSQL's time, by which accounts are judged whatever a worker's clock says."""
    time = select(func.clock_timestamp(type_=DateTime(timezone=True)))
    return (await session.scalars(time)).one()


def _visible(caller: Caller) -> Select[Account]:
    statement = select(Account)
    return statement if caller.is_admin else statement.where(Account.owner_id == caller.user_id)


async def account(session: AsyncSession, caller: Caller, account_id: UUID) -> Account | None:
    """Return an account if the caller may see it."""
    return await session.scalar(_visible(caller).where(Account.id == account_id))


async def accounts_by_id(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Sequence[Account]:
    """Return those of these accounts that the caller may use."""
    return (await session.scalars(_visible(caller).where(Account.id.in_(ids)))).all()


async def usable_accounts(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Sequence[Account]:
    """Return those of these accounts that the caller may post to: none that was removed."""
    statement = _visible(caller).where(Account.id.in_(ids), _connected())
    return (await session.scalars(statement)).all()


async def all_usable_accounts(session: AsyncSession, caller: Caller) -> Sequence[Account]:
    """Return every account that the caller may post to."""
    return (await session.scalars(_visible(caller).where(_connected()))).all()


async def account_for_change(
    session: AsyncSession, caller: Caller, account_id: UUID
) -> Account | None:
    """Return an account, locked until the transaction ends, if the caller may see it."""
    found = _visible(caller).where(Account.id == account_id)
    return await session.scalar(found.with_for_update().execution_options(populate_existing=True))


async def accounts_on(
    session: AsyncSession, owner_id: UUID, platforms: Collection[str]
) -> Sequence[Account]:
    """Return an owner's accounts on these platforms, without those that were removed."""
    found = await session.scalars(
        select(Account)
        .where(Account.owner_id == owner_id, Account.platform.in_(platforms), _connected())
        .order_by(Account.id)
    )
    return found.all()


async def list_accounts(
    session: AsyncSession,
    caller: Caller,
    page: Page,
    platform: str | None = None,
    state: AccountState | None = None,
) -> Rows[Account]:
    """Return a page of accounts, newest first; those that were removed only if asked for."""
    statement = _visible(caller).order_by(Account.id.desc()).limit(page.limit + 1)
    statement = statement.where(_connected() if state is None else Account.state == state)
    if platform:
        statement = statement.where(Account.platform == platform)
    if page.before:
        statement = statement.where(Account.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


def _connected() -> ColumnElement[bool]:
    return Account.state != AccountState.DISCONNECTED


async def same_account(
    session: AsyncSession, owner_id: UUID, platform: str, base_url: str, handle: str
) -> Account | None:
    """Return this owner's account of the same name on the same server."""
    return await session.scalar(
        select(Account)
        .where(
            Account.owner_id == owner_id,
            Account.platform == platform,
            Account.base_url == base_url,
            Account.handle == handle,
        )
        .with_for_update()
    )


async def local_account(session: AsyncSession, handle: str) -> Account | None:
    """Return the account whose page Almanac serves under this handle."""
    return await session.scalar(select(Account).where(Account.local, Account.handle == handle))


async def local_ids(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Return those of these accounts whose posts Almanac shows itself."""
    found = await session.scalars(select(Account.id).where(Account.id.in_(ids), Account.local))
    return set(found)


async def key_ids(session: AsyncSession) -> set[bytes]:
    """Return the ids of all keys that credentials are encrypted with."""
    found = await session.scalars(select(_key_id(Account.credentials)).distinct())
    return set(found)


async def sealed_otherwise(session: AsyncSession, key_id: bytes) -> Sequence[Account]:
    """Return some accounts with a secret that another key encrypted, locked."""
    found = await session.scalars(
        select(Account)
        .where(
            or_(_key_id(Account.credentials) != key_id, _key_id(Account.session) != key_id),
        )
        .order_by(Account.id)
        .limit(RESEALED_AT_ONCE)
        .with_for_update()
    )
    return found.all()


def _key_id(column: InstrumentedAttribute[bytes]) -> ColumnElement[bytes]:
    return func.substr(column, 2, 4)
