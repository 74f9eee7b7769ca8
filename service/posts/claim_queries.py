"""The fenced statements of publishing: claim, stamp, record. Each is one round trip.

Every write after the claim has `claim_token = mine`: a worker that lost its claim changes nothing.
The clock is PostgreSQL's, whatever the workers' clocks say.
"""

from sqlalchemy import (
    Boolean,
    DateTime,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.access.models import User
from service.accounts.models import Account, AccountState
from service.posts.models import DUE_STATES, Attempt, Delivery, DeliveryState, Post

_this_delivery = Delivery.id == bindparam("delivery", type_=Uuid)
_mine = and_(_this_delivery, Delivery.claim_token == bindparam("token", type_=Uuid))
_lease_end = func.now() + bindparam("lease", type_=Interval)
_due = and_(Delivery.state.in_(DUE_STATES), Delivery.next_run_at <= func.now())
_abandoned = and_(Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until <= func.now())

CLAIM = (
    update(Delivery)
    .where(
        _this_delivery,
        Delivery.version == bindparam("expected_version", type_=Integer),
        # The token's own claim, when the statement is repeated after its reply was lost.
        or_(_due, _abandoned, Delivery.claim_token == bindparam("token", type_=Uuid)),
        Post.id == Delivery.post_id,
        Account.id == Delivery.account_id,
        Account.state == AccountState.ACTIVE,
        User.id == Delivery.owner_id,
        User.disabled_at.is_(None),
    )
    .values(
        state=DeliveryState.PUBLISHING,
        claim_token=bindparam("token", type_=Uuid),
        claimed_until=_lease_end,
    )
    .returning(
        Delivery.id,
        Delivery.platform,
        Delivery.due_at,
        Delivery.attempts,
        Delivery.handles,
        Delivery.commit_started_at,
        Delivery.committed_since,
        func.coalesce(Delivery.text, Post.text).label("text"),
        Post.link,
        Post.media,
        Account.id.label("account_id"),
        Account.handle,
        Account.base_url,
        Account.local,
        Account.limits,
        Account.credentials,
        Account.session,
        func.now(type_=DateTime(timezone=True)).label("claimed_at"),
    )
)

WHY_NOT = select(
    Delivery.version,
    Delivery.state,
    Account.state.label("account_state"),
    User.disabled_at.label("owner_disabled_at"),
    (
        case(
            (Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until),
            else_=Delivery.next_run_at,
        )
        - func.now()
    ).label("delay"),
).where(_this_delivery, Account.id == Delivery.account_id, User.id == Delivery.owner_id)
"""Why a claim found nothing."""

HOLD = (
    update(Delivery)
    .where(
        _this_delivery,
        Delivery.version == bindparam("expected_version", type_=Integer),
        Delivery.state.in_(DUE_STATES),
    )
    .values(state=DeliveryState.HELD, error=bindparam("new_error", type_=Text))
    .returning(Delivery.id)
)

STAMP = (
    update(Delivery)
    .where(_mine)
    .values(
        commit_started_at=func.now(),
        committed_since=func.coalesce(Delivery.committed_since, func.now()),
        claimed_until=_lease_end,
    )
    .returning(Delivery.committed_since)
)

SAVE_HANDLES = (
    update(Delivery)
    .where(_mine)
    .values(handles=bindparam("new_handles", type_=JSONB))
    .returning(Delivery.id)
)

_account = Account.id == bindparam("account", type_=Uuid)

SAVE_SESSION = (
    update(Account)
    .where(_account, Account.state != AccountState.DISCONNECTED)
    .values(session=bindparam("new_session"))
)

MARK_DISCONNECTED = (
    update(Account)
    .where(_account, Account.state == AccountState.ACTIVE)
    .values(state=AccountState.NEEDS_RECONNECT)
)

_state = bindparam("new_state", type_=Text)
_counts = cast(bindparam("counts", type_=Boolean), Boolean)
_uncertain = cast(bindparam("uncertain", type_=Boolean), Boolean)
_recorded = (
    update(Delivery)
    .where(_mine)
    .values(
        state=_state,
        next_run_at=func.now() + bindparam("delay", type_=Interval),
        attempts=Delivery.attempts + cast(_counts, Integer),
        error=bindparam("new_error", type_=Text),
        remote_id=bindparam("new_remote_id", type_=Text),
        remote_url=bindparam("new_remote_url", type_=Text),
        published_at=case((_state == DeliveryState.PUBLISHED, func.now())),
        commit_started_at=case((_uncertain, Delivery.commit_started_at)),
        committed_since=case((_uncertain, Delivery.committed_since)),
        claim_token=None,
        claimed_until=None,
    )
    .returning(Delivery.id, Delivery.version, Delivery.attempts)
    .cte("recorded")
)
_attempt = (
    insert(Attempt)
    .from_select(
        [
            Attempt.delivery_id,
            Attempt.version,
            Attempt.number,
            Attempt.outcome,
            Attempt.error,
            Attempt.worker,
            Attempt.started_at,
            Attempt.finished_at,
        ],
        select(
            _recorded.c.id,
            _recorded.c.version,
            _recorded.c.attempts,
            _state,
            bindparam("new_error", type_=Text),
            bindparam("worker", type_=Text),
            bindparam("started_at", type_=DateTime(timezone=True)),
            func.now(),
        ).where(_counts),
    )
    .returning(Attempt.number)
    .cte("attempt")
)
RECORD = select(_recorded.c.id).add_cte(_attempt)
"""The delivery's new state and, if it counts, the attempt: one statement, no row if fenced out."""
