"""Use cases of measures: what a caller is told of their own posts and accounts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import InvalidInput, NotFound, Problem
from service.measures import queries, rules, schemas
from service.measures.queries import Measured, Plan
from service.measures.rules import Measure


async def of_post(session: AsyncSession, caller: Caller, post_id: UUID) -> schemas.PostMeasures:
    """Return how a post does at each account where it is out.

    Raises:
        NotFound: the caller has no such post.
    """
    if not await queries.sees_post(session, caller, post_id):
        raise NotFound("There is no such post")
    found = await queries.of_post(session, post_id)
    return schemas.PostMeasures(post_id=post_id, deliveries=[_delivery(each) for each in found])


def _delivery(found: Measured) -> schemas.DeliveryMeasures:
    delivery, plan = found.delivery, found.plan
    return schemas.DeliveryMeasures(
        delivery_id=delivery.id,
        account_id=delivery.account_id,
        platform=delivery.platform,
        kind=delivery.kind,
        position=delivery.position,
        gone=plan is not None and plan.missing_since is not None and plan.next_at is None,
        **_series(found.series, plan),
    )


def _series(series: Sequence[Measure], plan: Plan | None) -> dict[str, Any]:
    return {
        "newest": _shown(series[-1]) if series else None,
        "change_24h": rules.change(series),
        "asked_at": plan.measured_at if plan else None,
        "next_at": plan.next_at if plan else None,
        "error": plan.error if plan else None,
        "items": [_shown(measure) for measure in series],
    }


def _shown(measure: Measure) -> schemas.MeasureOut:
    return schemas.MeasureOut(at=measure.at, figures=dict(measure.figures))


async def of_account(
    session: AsyncSession, caller: Caller, account_id: UUID, begin: datetime, end: datetime
) -> schemas.AccountMeasures:
    """Return how an account does over time.

    Raises:
        InvalidInput: the time ends before it begins, or is longer than measures are kept.
        NotFound: the caller has no such account.
    """
    if begin >= end:
        raise InvalidInput([Problem("from", "It must be before 'to'")])
    if end - begin > rules.KEPT:
        raise InvalidInput([Problem("from", f"At most {rules.KEPT.days} days at once")])
    if not await queries.sees_account(session, caller, account_id):
        raise NotFound("There is no such account")
    series = await queries.of_account(session, account_id, begin, end)
    plan = await queries.plan_of_account(session, account_id)
    return schemas.AccountMeasures(account_id=account_id, **_series(series, plan))


async def summary(
    session: AsyncSession, caller: Caller, days: int, moment: datetime
) -> schemas.Summary:
    """Return what the posts of the last days came to, by platform and by account."""
    since = moment - timedelta(days=days)
    sums = {found.account_id: found for found in await queries.sums(session, caller, since)}
    accounts = await queries.accounts(session, caller)
    newest = await queries.newest_of_accounts(session, [account.id for account in accounts])
    shown = [
        schemas.AccountSum(
            account_id=account.id,
            platform=account.platform,
            handle=account.handle,
            posts=sums[account.id].posts if account.id in sums else 0,
            figures=sums[account.id].figures if account.id in sums else {},
            audience=_shown(newest[account.id]) if account.id in newest else None,
        )
        for account in accounts
        if account.id in sums or account.id in newest
    ]
    by_platform: dict[str, list[schemas.AccountSum]] = {}
    for account in shown:
        by_platform.setdefault(account.platform, []).append(account)
    platforms = [
        schemas.PlatformSum(
            platform=name,
            posts=sum(account.posts for account in group),
            figures=rules.total([account.figures for account in group]),
            audience=rules.total([a.audience.figures for a in group if a.audience]),
        )
        for name, group in by_platform.items()
    ]
    return schemas.Summary(since=since, platforms=platforms, accounts=shown)
