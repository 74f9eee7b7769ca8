"""The statements by which several workers measure, and none what another one does.

A claim moves the next time by a lease; every later write has `claim = mine`. The clock is
PostgreSQL's.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from service.accounts.models import Account, AccountState
from service.measures import rules
from service.measures.models import (
    AccountMeasure,
    AccountMeasuring,
    DeliveryMeasure,
    DeliveryMeasuring,
)
from service.posts.models import Delivery, DeliveryState, PlatformPause

IS_PUBLISHED = Delivery.state == literal_column(f"'{DeliveryState.PUBLISHED}'")
"""Written out, not bound: only so does the index of what is published serve."""

_now = func.now(type_=DateTime(timezone=True))
_mine = bindparam("token", type_=Uuid)
_delay = bindparam("delay", type_=Interval)
_overlap = literal(rules.HOUR, Interval)
"""A publication that is recorded while its row is planned is found by the next run."""

PLAN_ACCOUNTS = (
    postgresql.insert(AccountMeasuring)
    .from_select(
        [AccountMeasuring.account_id, AccountMeasuring.next_at, AccountMeasuring.planned_to],
        select(Account.id, _now, _now - literal(rules.ASKED_FOR, Interval)).where(
            Account.state == AccountState.ACTIVE,
            ~Account.local,
            Account.platform == func.any(bindparam("platforms", type_=ARRAY(Text))),
        ),
    )
    .on_conflict_do_nothing()
    .returning(AccountMeasuring.account_id)
)
"""Gives a first time to every account that has none."""

_planned = (
    postgresql.insert(DeliveryMeasuring)
    .from_select(
        [DeliveryMeasuring.delivery_id, DeliveryMeasuring.next_at],
        select(Delivery.id, Delivery.published_at + literal(rules.FIRST, Interval)).where(
            AccountMeasuring.account_id == Delivery.account_id,
            IS_PUBLISHED,
            Delivery.published_at > AccountMeasuring.planned_to - _overlap,
            Delivery.published_at > _now - literal(rules.ASKED_FOR, Interval),
            Delivery.removed_at.is_(None),
            Delivery.remote_id.is_not(None),
        ),
    )
    .on_conflict_do_nothing()
    .returning(DeliveryMeasuring.delivery_id)
    .cte("planned")
)
_newest = (
    select(Delivery.account_id, func.max(Delivery.published_at).label("published_at"))
    .where(Delivery.id == _planned.c.delivery_id)
    .group_by(Delivery.account_id)
    .cte("newest")
)
PLAN_DELIVERIES = (
    update(AccountMeasuring)
    .where(AccountMeasuring.account_id == _newest.c.account_id)
    .values(planned_to=func.greatest(AccountMeasuring.planned_to, _newest.c.published_at))
    .returning(AccountMeasuring.account_id)
)
"""Gives a first time to what was published since the last run."""

_paused_until = (
    select(PlatformPause.until).where(PlatformPause.platform == Account.platform).scalar_subquery()
)
_ACCOUNT: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...] = (
    Account.id.label("account_id"),
    Account.platform,
    Account.handle,
    Account.base_url,
    Account.limits,
    Account.credentials,
    Account.session,
    Account.connected_at,
    (Account.state == AccountState.ACTIVE).label("connected"),
    func.greatest(Account.limited_until, _paused_until).label("limited_until"),
    _now.label("claimed_at"),
)


@dataclass(frozen=True, slots=True)
class Statements:
    """Of one kind of subject.

    Attributes:
        claim: takes at most `most` of what is due, for `lease`.
        keep: writes `figures`, and notes when to ask again.
        keep_nothing: notes only that.
        put_off: notes why there are none, and when to ask again; `delay` null: never.
        forget: deletes at most `most` rows that are past their retention.
    """

    claim: ReturningUpdate[Any]
    keep: ReturningInsert[Any]
    keep_nothing: ReturningUpdate[Any]
    put_off: ReturningUpdate[Any]
    forget: ReturningDelete[Any]


def _due(model: Any, key: InstrumentedAttribute[Any]) -> CTE:
    return (
        select(key.label("id"))
        .where(model.next_at <= func.now())
        .order_by(model.next_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("due")
    )


def _claim(model: Any, key: InstrumentedAttribute[Any], *joins: ColumnElement[bool]) -> Any:
    due = _due(model, key)
    return (
        update(model)
        .where(key == due.c.id, *joins)
        .values(next_at=func.now() + bindparam("lease", type_=Interval), claim=_mine)
    )


def _answered(model: Any, key: InstrumentedAttribute[Any]) -> Any:
    return (
        update(model)
        .where(key == bindparam("subject", type_=Uuid), model.claim == _mine)
        .values(
            next_at=func.now() + _delay,
            claim=None,
            measured_at=func.now(),
            failures=0,
            error=None,
            missing_since=None,
        )
        .returning(key)
    )


def _keep(
    model: Any,
    key: InstrumentedAttribute[Any],
    measure: Any,
    measure_key: InstrumentedAttribute[Any],
) -> Any:
    kept = _answered(model, key).cte("kept")
    figures = bindparam("new_figures", type_=JSONB)
    return (
        insert(measure)
        .from_select(
            [measure_key, measure.at, measure.figures], select(kept.c[key.key], _now, figures)
        )
        .returning(measure_key)
    )


def _put_off(model: Any, key: InstrumentedAttribute[Any]) -> Any:
    return (
        update(model)
        .where(key == bindparam("subject", type_=Uuid), model.claim == _mine)
        .values(
            next_at=func.now() + _delay,
            claim=None,
            failures=bindparam("new_failures", type_=Integer),
            error=bindparam("new_error", type_=Text),
            missing_since=bindparam("new_missing", type_=DateTime(timezone=True)),
        )
        .returning(key)
    )


def _forget(measure: Any, key: InstrumentedAttribute[Any]) -> Any:
    old = (
        select(key, measure.at)
        .where(measure.at < func.now() - literal(rules.KEPT, Interval))
        .limit(bindparam("most", type_=Integer))
    )
    return delete(measure).where(tuple_(key, measure.at).in_(old)).returning(key)


def _statements(
    model: Any, key: InstrumentedAttribute[Any], measure: Any, measure_key: Any, claim: Any
) -> Statements:
    return Statements(
        claim=claim,
        keep=_keep(model, key, measure, measure_key),
        keep_nothing=_answered(model, key),
        put_off=_put_off(model, key),
        forget=_forget(measure, measure_key),
    )


_delivery, _account = DeliveryMeasuring.delivery_id, AccountMeasuring.account_id
_claimed_deliveries = _claim(
    DeliveryMeasuring,
    _delivery,
    Delivery.id == _delivery,
    Account.id == Delivery.account_id,
).returning(
    _delivery.label("id"),
    DeliveryMeasuring.failures,
    DeliveryMeasuring.error,
    DeliveryMeasuring.missing_since,
    Delivery.published_at.label("since"),
    (Delivery.removed_at.is_(None) & IS_PUBLISHED).label("is_out"),
    Delivery.remote_id,
    Delivery.details,
    *_ACCOUNT,
)
_claimed_accounts = _claim(AccountMeasuring, _account, Account.id == _account).returning(
    _account.label("id"),
    AccountMeasuring.failures,
    AccountMeasuring.error,
    AccountMeasuring.missing_since,
    Account.connected_at.label("since"),
    *_ACCOUNT,
)
DELIVERIES = _statements(
    DeliveryMeasuring, _delivery, DeliveryMeasure, DeliveryMeasure.delivery_id, _claimed_deliveries
)
ACCOUNTS = _statements(
    AccountMeasuring, _account, AccountMeasure, AccountMeasure.account_id, _claimed_accounts
)
