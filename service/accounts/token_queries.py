"""The statements by which one worker at a time renews an account's tokens."""

from sqlalchemy import DateTime, Interval, LargeBinary, Uuid, bindparam, func, or_, update

from service.accounts.models import Account, AccountState

_account = Account.id == bindparam("account", type_=Uuid)
_mine = Account.refresh_claim == bindparam("claim", type_=Uuid)

CLAIM = (
    update(Account)
    .where(
        _account,
        Account.state == AccountState.ACTIVE,
        or_(
            Account.refresh_claimed_until.is_(None),
            Account.refresh_claimed_until <= func.now(),
            _mine,
        ),
    )
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
    )
    .returning(Account.id)
)

RELEASE = (
    update(Account)
    .where(_account, _mine)
    .values(refresh_claim=None, refresh_claimed_until=None)
    .returning(Account.id)
)

DISCONNECT = (
    update(Account)
    .where(_account, Account.state == AccountState.ACTIVE)
    .values(state=AccountState.NEEDS_RECONNECT)
    .returning(Account.owner_id, Account.platform, Account.handle)
    .execution_options(synchronize_session=False)
)
"""Finds a row only the first time, so that its owner is told once."""
