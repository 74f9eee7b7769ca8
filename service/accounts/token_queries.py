"""The statements by which one worker at a time renews an account's tokens."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import (
    DateTime,
    Interval,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.models import Account, AccountState

REST = timedelta(minutes=5)
"""The periodic renewal leaves an account alone for so long after it was renewed."""

_account = Account.id == bindparam("account", type_=Uuid)
_mine = Account.refresh_claim == bindparam("claim", type_=Uuid)
_unclaimed = or_(
    Account.refresh_claimed_until.is_(None), Account.refresh_claimed_until <= func.now()
)

CLAIM = (
    update(Account)
    .where(_account, Account.state == AccountState.ACTIVE, or_(_unclaimed, _mine))
    .values(
        refresh_claim=bindparam("claim", type_=Uuid),
        refresh_claimed_until=func.now() + bindparam("lease", type_=Interval),
    )
    .returning(Account.session)
)
"""Takes the right to renew; the session is what the last who had it left."""

SAVE = (
    update(Account)
    .where(_account, _mine)
    .values(
        session=bindparam("new_session", type_=LargeBinary),
        token_expires_at=bindparam("expires", type_=DateTime(timezone=True)),
        refresh_claim=None,
        refresh_claimed_until=None,
        refresh_after=func.now() + literal(REST, Interval),
        refresh_error=None,
    )
    .returning(Account.id)
)

RELEASE = (
    update(Account)
    .where(_account, _mine)
    .values(refresh_claim=None, refresh_claimed_until=None)
    .returning(Account.id)
)

_as_read = Account.connected_at <= bindparam("since", type_=DateTime(timezone=True))

DISCONNECT = (
    update(Account)
    .where(_account, Account.state == AccountState.ACTIVE, _as_read)
    .values(state=AccountState.NEEDS_RECONNECT)
    .returning(Account.owner_id, Account.platform, Account.handle)
    .execution_options(synchronize_session=False)
)
"""Finds a row only the first time, so that its owner is told once."""

IS_ACTIVE = select(Account.state == AccountState.ACTIVE).where(_account)

NOTE_FAILURE = (
    update(Account)
    .where(_account, Account.state == AccountState.ACTIVE, _as_read)
    .values(
        refresh_after=bindparam("after", type_=DateTime(timezone=True)),
        refresh_error=bindparam("new_error", type_=Text),
    )
    .returning(Account.id)
)


async def ending(
    session: AsyncSession, ahead: Mapping[str, timedelta], limit: int, *, but: Collection[str] = ()
) -> Sequence[Account]:
    """Return active accounts whose tokens end soon, those first that failed longest ago.

    Args:
        session: of the transaction.
        ahead: how long before their end tokens are renewed, by platform.
        limit: how many accounts at most.
        but: platforms that are left alone.
    """
    soon = [
        and_(Account.platform == platform, Account.token_expires_at <= func.now() + before)
        for platform, before in ahead.items()
        if platform not in but
    ]
    found = await session.scalars(
        select(Account)
        .where(
            text("accounts.state = 'active'"),  # written out: so the partial index serves
            Account.token_expires_at <= func.now() + max(ahead.values()),
            or_(*soon) if soon else literal(value=False),
            or_(Account.refresh_after.is_(None), Account.refresh_after <= func.now()),
            _unclaimed,
        )
        .order_by(Account.refresh_after.asc().nulls_first(), Account.token_expires_at)
        .limit(limit)
    )
    return found.all()
