"""Every SQL statement of variants. The clock is PostgreSQL's."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Executable,
    Interval,
    Text,
    case,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.models import Account
from service.db.outbox import OPEN, DurableJob
from service.media.models import Media, Variant, VariantState
from service.posts.models import Delivery, DeliveryState, Post

FORGIVEN = timedelta(minutes=1)
"""After which a conversion that failed is tried anew, if somebody asks for it."""
NEEDING = [s for s in DeliveryState if s not in {DeliveryState.PUBLISHED, DeliveryState.CANCELLED}]
"""Also what has failed or is unconfirmed: a person may publish it again."""
_media = func.coalesce(Delivery.media, Post.media)


class Asked(NamedTuple):
    """A variant that somebody needs, and whether it was written down just now."""

    row: Variant
    new: bool


async def ask(session: AsyncSession, values: Mapping[str, Any], new_id: UUID) -> Asked:
    """Return the one variant of a content and a plan, written down if there was none.

    One that failed a while ago begins anew under the new id.

    Args:
        session: of the transaction.
        values: of the columns, should there be none.
        new_id: for a row that begins.
    """
    fresh = insert(Variant).values(id=new_id, state=VariantState.PENDING, **values)
    forgiven = (Variant.state == VariantState.FAILED) & (Variant.made_at < func.now() - FORGIVEN)
    begun = fresh.on_conflict_do_update(
        index_elements=[Variant.source_sha256, Variant.plan_key],
        set_={
            "used_at": func.now(),
            "id": case((forgiven, fresh.excluded.id), else_=Variant.id),
            "state": case((forgiven, VariantState.PENDING.value), else_=Variant.state),
            "error": case((~forgiven, Variant.error)),
            "claimed_until": case((~forgiven, Variant.claimed_until)),
        },
    ).returning(Variant)
    row = (await session.scalars(begun, execution_options={"populate_existing": True})).one()
    return Asked(row, row.id == new_id)


async def variant(session: AsyncSession, variant_id: UUID) -> Variant | None:
    """Return a variant."""
    return await session.get(Variant, variant_id)


async def has_open_job(session: AsyncSession, job_id: str) -> bool:
    """Whether a durable job is still to run."""
    found = select(exists().where(DurableJob.id == job_id, DurableJob.state.in_(OPEN)))
    return bool(await session.scalar(found))


def claim(variant_id: UUID, lease: timedelta) -> Executable:
    """Return the UPDATE that takes a pending variant; it returns its id unless another has it."""
    free = or_(Variant.claimed_until.is_(None), Variant.claimed_until < func.now())
    return (
        update(Variant)
        .where(Variant.id == variant_id, Variant.state == VariantState.PENDING, free)
        .values(claimed_until=func.now() + literal(lease, Interval))
        .returning(Variant.id)
    )


def release(variant_id: UUID) -> Executable:
    """Return the UPDATE that lets somebody else make a pending variant at once."""
    mine = (Variant.id == variant_id) & (Variant.state == VariantState.PENDING)
    return update(Variant).where(mine).values(claimed_until=None)


async def settle(session: AsyncSession, variant_id: UUID, values: Mapping[str, Any]) -> bool:
    """Write how a pending variant ended; return whether it was still pending."""
    mine = (Variant.id == variant_id) & (Variant.state == VariantState.PENDING)
    ended = update(Variant).where(mine).values(made_at=func.now(), claimed_until=None, **values)
    return await session.scalar(ended.returning(Variant.id)) is not None


class Need(NamedTuple):
    """A file that a delivery will need, and what its account takes."""

    media: Mapping[str, Any]
    limits: Mapping[str, Any]


async def needs(session: AsyncSession, media_ids: Sequence[UUID]) -> list[Need]:
    """Return where these uploads are to go that are in posts which are not out yet."""
    file = func.jsonb_array_elements(_media, type_=JSONB).table_valued(column("value", JSONB))
    ids = [str(media_id) for media_id in media_ids]
    owners = select(Media.owner_id).where(Media.id.in_(media_ids))
    statement = (
        select(file.c.value, Account.limits)
        .select_from(Delivery)
        .join(Post, Post.id == Delivery.post_id)
        .join(Account, Account.id == Delivery.account_id)
        .join(file, true())
        .where(
            Delivery.state.in_(NEEDING),
            or_(Delivery.owner_id.in_(owners), Post.media.contains([{"id": ids[0]}])),
            file.c.value["id"].astext.in_(ids),
            ~Account.local,
        )
        .distinct()
    )
    return [Need(*row) for row in await session.execute(statement)]


async def outlived(session: AsyncSession, age: timedelta, limit: int) -> Sequence[Variant]:
    """Return variants that nobody needs any more, locked.

    Those that nobody has asked for since `age`, and whose source no post shows that is not out
    yet, or has gone out since then.
    """
    since = func.now() - literal(age, Interval)
    file = func.jsonb_array_elements(_media, type_=JSONB).table_valued(column("value", JSONB))
    needed = (
        select(file.c.value["sha256"].astext.cast(Text).label("sha256"))
        .select_from(Delivery)
        .join(Post, Post.id == Delivery.post_id)
        .join(file, true())
        .where(or_(Delivery.state.in_(NEEDING), Delivery.published_at > since))
        .cte("needed")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    shown = exists().where(needed.c.sha256 == Variant.source_sha256)
    statement = (
        select(Variant)
        .where(Variant.used_at <= since, ~shown)
        .order_by(Variant.used_at)
        .limit(limit)
        .with_for_update(of=Variant, skip_locked=True)
    )
    return (await session.scalars(statement)).all()


async def forget(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Delete variants."""
    await session.execute(delete(Variant).where(Variant.id.in_(ids)))


async def forget_source(session: AsyncSession, digest: str) -> list[str]:
    """Delete all variants of a content; return the contents that they were."""
    gone = delete(Variant).where(Variant.source_sha256 == digest).returning(Variant.sha256)
    return [found for found in await session.scalars(gone) if found is not None]
