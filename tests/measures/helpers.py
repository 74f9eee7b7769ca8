"""Posts that are out at an emulator, with rows as publishing leaves them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from service.access.models import User
from service.accounts import actions
from service.accounts.models import Account
from service.kit.clock import now
from service.kit.ids import uuid7
from service.measures import measuring
from service.platforms.contract import Content, Destination, Reference
from service.posts.models import Delivery, DeliveryState, Post
from tests.platforms.driver import Delivery as Driven
from tests.platforms.rig import Rig
from tests.support import Installation

NONE = {"measured": 0, "failed": 0, "ended": 0, "left": 0}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Out:
    """A published delivery and what belongs to it."""

    account: UUID
    post: UUID
    delivery: UUID


async def connected(api: Installation, rig: Rig, destination: Destination | None = None) -> UUID:
    """Store an account as connecting it would; the rig's platform measures it from now on."""
    platforms: Any = api.runtime.platforms
    platforms[rig.name] = rig.platform
    found, keyring = destination or rig.destination(), api.runtime.keyring
    async with api.runtime.unit_of_work() as uow:
        owner = (await uow.session.scalars(select(User).where(User.name == "admin"))).one()
        uow.session.add(
            Account(
                id=found.id,
                owner_id=owner.id,
                platform=rig.name,
                handle=found.handle,
                display_name=found.handle,
                base_url=found.base_url,
                local=False,
                limits=msgspec.to_builtins(found.limits),
                credentials=actions.seal(keyring, found.id, "credentials", found.credentials),
                session=actions.seal(keyring, found.id, "session", found.session),
            )
        )
    return found.id


async def publish(api: Installation, rig: Rig, content: Content, age: timedelta = 2 * HOUR) -> Out:
    """Publish at the emulator; the rows say that it was so long ago."""
    destination = rig.destination()
    outcome = await Driven(rig, content, destination).finish()
    assert outcome.published is not None, outcome
    account = await connected(api, rig, destination)
    post = Reference(outcome.published.remote_id, outcome.published.details)
    return await published(api, account, rig.name, post, now() - age)


async def published(
    api: Installation, account: UUID, platform: str, post: Reference, at: datetime
) -> Out:
    """Store a post with one delivery that is out."""
    post_id, delivery_id = uuid7(), uuid7()
    async with api.runtime.unit_of_work() as uow:
        owner = (await uow.session.scalars(select(User).where(User.name == "admin"))).one()
        uow.session.add(
            Post(id=post_id, owner_id=owner.id, text="Hello", media=[], zone="UTC", publish_at=at)
        )
        await uow.session.flush()
        uow.session.add(
            Delivery(
                id=delivery_id,
                owner_id=owner.id,
                post_id=post_id,
                account_id=account,
                platform=platform,
                state=DeliveryState.PUBLISHED,
                due_at=at,
                next_run_at=at,
                remote_id=post.remote_id,
                details=dict(post.details),
                published_at=at,
            )
        )
    return Out(account, post_id, delivery_id)


def content_of(rig: Rig, folder: Path) -> Content:
    """Return the simplest post that the platform takes."""
    contents = rig.contents(folder)
    return contents.get("text") or next(iter(contents.values()))


async def run(api: Installation) -> dict[str, int]:
    """Measure what is due."""
    return await measuring.run(api.runtime)


async def told(api: Installation, out: Out) -> list[dict[str, int]]:
    """Return all figures that are stored of a delivery, the oldest first."""
    rows = await api.sql(
        "SELECT figures FROM delivery_measures WHERE delivery_id = :id ORDER BY at",
        id=out.delivery,
    )
    return [row.figures for row in rows]


async def audience(api: Installation, account: UUID) -> list[dict[str, int]]:
    """Return all figures that are stored of an account, the oldest first."""
    rows = await api.sql(
        "SELECT figures FROM account_measures WHERE account_id = :id ORDER BY at", id=account
    )
    return [row.figures for row in rows]


async def measured(
    api: Installation, kind: str, subject: UUID, ago: timedelta, **figures: int
) -> None:
    """Store what a platform told of a delivery or an account so long ago."""
    await api.sql(
        f"INSERT INTO {kind}_measures "
        "VALUES (:id, now() - CAST(:ago AS interval), CAST(:figures AS jsonb))",
        id=subject,
        ago=ago,
        figures=json.dumps(figures),
    )


async def plan(api: Installation, out: Out) -> Any:
    """Return when a delivery is measured next, and how it went."""
    (row,) = await api.sql(
        "SELECT *, next_at - now() AS delay FROM delivery_measuring WHERE delivery_id = :id",
        id=out.delivery,
    )
    return row


async def plan_of_account(api: Installation, account: UUID) -> Any:
    """Return the same of an account."""
    (row,) = await api.sql(
        "SELECT *, next_at - now() AS delay FROM account_measuring WHERE account_id = :id",
        id=account,
    )
    return row


async def make_due(api: Installation, *kinds: str) -> None:
    """Let everything that waits be due, and everything measured so far be of yesterday."""
    for kind in kinds or ("delivery", "account"):
        await api.sql(f"UPDATE {kind}_measuring SET next_at = now() WHERE next_at IS NOT NULL")
    for kind in ("delivery", "account"):
        await api.sql(f"UPDATE {kind}_measures SET at = at - interval '1 day'")


async def states(api: Installation) -> Sequence[str]:
    """Return the states of all accounts."""
    return [row.state for row in await api.sql("SELECT state FROM accounts ORDER BY id")]
