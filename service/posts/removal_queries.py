"""The statements of taking a published delivery back."""

from sqlalchemy import Text, Uuid, bindparam, func, select, update

from service.accounts.models import Account
from service.posts.models import Delivery, DeliveryState

_this_delivery = Delivery.id == bindparam("delivery", type_=Uuid)

FIND = select(
    Delivery.platform,
    Delivery.remote_id,
    Delivery.details,
    Account.id.label("account_id"),
    Account.handle,
    Account.local,
    Account.base_url,
    Account.limits,
    Account.credentials,
    Account.session,
    Account.state.label("account_state"),
).where(
    _this_delivery,
    Delivery.state == DeliveryState.PUBLISHED,
    Delivery.removed_at.is_(None),
    Account.id == Delivery.account_id,
)
"""A delivery that is out, with its account."""

NOTE_REMOVAL = (
    update(Delivery)
    .where(_this_delivery)
    .values(removed_at=func.now(), removal_error=None)
    .returning(Delivery.id)
)

NOTE_ERROR = (
    update(Delivery)
    .where(_this_delivery)
    .values(removal_error=bindparam("error_text", type_=Text))
    .returning(Delivery.id)
)
