"""The fenced statements of publishing: claim, stamp, record. Each is one round trip.

Every write after the claim has `claim_token = mine`: a worker that lost its claim changes nothing.
The clock is PostgreSQL's, whatever the workers' clocks say.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    ScalarSelect,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from service.access.models import User
from service.accounts.models import Account, AccountState
from service.posts.models import (
    DUE_STATES,
    Attempt,
    Delivery,
    DeliveryState,
    PlatformPause,
    Post,
)

_this_delivery = Delivery.id == bindparam("delivery", type_=Uuid)
_mine = and_(_this_delivery, Delivery.claim_token == bindparam("token", type_=Uuid))
_lease_end = func.now() + bindparam("lease", type_=Interval)
_due = and_(Delivery.state.in_(DUE_STATES), Delivery.next_run_at <= func.now(), ~Delivery.blocked)
_abandoned = and_(Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until <= func.now())

_paused_until = (
    select(PlatformPause.until).where(PlatformPause.platform == Delivery.platform).scalar_subquery()
)
_limited_until = func.greatest(Account.limited_until, _paused_until)
_other = aliased(Delivery)


def _reference(condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Select what a follow-up needs of another delivery of its post, as JSON."""
    found = func.jsonb_build_object("remote_id", _other.remote_id, "details", _other.details)
    return select(found).where(condition).correlate(Delivery).scalar_subquery()


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
        func.coalesce(_limited_until <= func.now(), true()),
        User.id == Delivery.owner_id,
        User.disabled_at.is_(None),
    )
    .values(
        state=DeliveryState.PUBLISHING,
        claim_token=bindparam("token", type_=Uuid),
        claimed_until=_lease_end,
        began_at=func.coalesce(Delivery.began_at, func.now()),
    )
    .returning(
        Delivery.id,
        Delivery.post_id,
        Delivery.owner_id,
        Delivery.platform,
        Delivery.kind,
        Delivery.options,
        Delivery.began_at,
        Delivery.due_at,
        Delivery.attempts,
        Delivery.handles,
        Delivery.commit_started_at,
        Delivery.committed_since,
        func.coalesce(Delivery.text, Post.text).label("text"),
        case((Delivery.position == 0, Post.link)).label("link"),
        func.coalesce(Delivery.media, Post.media).label("media"),
        Post.late,
        _reference(_other.id == Delivery.after_id).label("reply_to"),
        _reference(
            and_(
                Delivery.position > 0,
                _other.post_id == Delivery.post_id,
                _other.account_id == Delivery.account_id,
                _other.position == 0,
            )
        ).label("root"),
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
    Delivery.blocked,
    Account.state.label("account_state"),
    (_limited_until > func.now()).label("limited"),
    User.disabled_at.label("owner_disabled_at"),
    (
        case(
            (Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until),
            else_=func.greatest(Delivery.next_run_at, _limited_until),
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
    .values(
        state=DeliveryState.HELD,
        hold=bindparam("new_hold", type_=Text),
        error=bindparam("new_error", type_=Text),
        began_at=None,
    )
    .returning(Delivery.id)
)

POSTPONE = (
    update(Delivery)
    .where(
        _this_delivery,
        Delivery.version == bindparam("expected_version", type_=Integer),
        Delivery.state.in_(DUE_STATES),
        Account.id == Delivery.account_id,
    )
    .values(
        state=DeliveryState.WAITING,
        next_run_at=func.greatest(Delivery.next_run_at, _limited_until),
        error="The platform's limit is used up; nothing is sent to it before that has passed",
    )
    .returning(Delivery.id)
)
"""Lets a delivery wait whose account, or whose platform, takes nothing at present."""

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

RENEW = update(Delivery).where(_mine).values(claimed_until=_lease_end).returning(Delivery.id)
"""Extends the claim of a job that still runs."""

_until = bindparam("wanted_until", type_=DateTime(timezone=True))

LIMIT_ACCOUNT = (
    update(Account)
    .where(Account.id == bindparam("account", type_=Uuid))
    .values(limited_until=func.greatest(Account.limited_until, _until))
)
_pause = postgresql.insert(PlatformPause).values(
    platform=bindparam("paused_platform", type_=Text),
    until=_until,
    reason=bindparam("new_error", type_=Text),
)
PAUSE_PLATFORM = _pause.on_conflict_do_update(
    index_elements=[PlatformPause.platform],
    set_={
        "until": func.greatest(PlatformPause.until, _pause.excluded.until),
        "reason": _pause.excluded.reason,
    },
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
        details=bindparam("new_details", type_=JSONB),
        hold=bindparam("new_hold", type_=Text),
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
_follower = aliased(Delivery)
_released = (
    update(_follower)
    .where(
        _follower.after_id == _recorded.c.id,
        _follower.blocked,
        _state == DeliveryState.PUBLISHED,
    )
    .values(
        blocked=False,
        next_run_at=func.now() + func.coalesce(_follower.gap, literal(timedelta(0), Interval)),
    )
    .returning(_follower.id, _follower.version, _follower.next_run_at, _follower.state)
    .cte("released")
)
RECORD = (
    select(
        _recorded.c.id,
        _released.c.id.label("follower"),
        _released.c.version,
        _released.c.next_run_at,
    )
    .select_from(_recorded.outerjoin(_released, _released.c.state.in_(DUE_STATES)))
    .add_cte(_attempt)
)
"""The delivery's new state and, if it counts, the attempt: one statement, no row if fenced out.

Returns what follows the delivery and may go out now; a row with nulls if that is nothing.
"""
