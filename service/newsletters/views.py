"""Rows of newsletters as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.clock import now
from service.newsletters import issue_queries, queries, schemas, subscriber_queries
from service.newsletters.models import Issue, IssueState, Newsletter, Subscriber
from service.newsletters.subscriber_schemas import SubscriberOut, SubscriptionOut

UNCONFIRMED = (
    "{count} mails were on their way when the worker or the connection died: they may have "
    "arrived. Send them again only if a second copy does less harm than none"
)


async def newsletters(
    session: AsyncSession, rows: Sequence[Newsletter], base_url: str
) -> list[schemas.NewsletterOut]:
    """Return newsletters with the number of their readers."""
    counts = await queries.counts_by_state(session, [row.id for row in rows])
    return [
        schemas.NewsletterOut.model_validate(
            _with(
                row,
                schemas.NewsletterOut,
                subscribers=counts.get(row.id, {}).get("active", 0),
                subscribe_url=f"{base_url}/newsletters/{row.slug}/subscribe"
                if row.public
                else None,
            )
        )
        for row in rows
    ]


async def issues(session: AsyncSession, rows: Sequence[Issue]) -> list[schemas.IssueOut]:
    """Return issues with what became of their mails."""
    counts = await issue_queries.counts(session, [row.id for row in rows])
    return [
        schemas.IssueOut.model_validate(
            _with(row, schemas.IssueOut, counts=schemas.Counts(**counts.get(row.id, {})))
        )
        for row in rows
    ]


async def issue_detail(session: AsyncSession, row: Issue) -> schemas.IssueDetail:
    """Return an issue with what it says."""
    (shown,) = await issues(session, [row])
    return schemas.IssueDetail(**shown.model_dump(), content=row.content)


async def report(session: AsyncSession, row: Issue) -> schemas.Report:
    """Return what became of an issue."""
    (shown,) = await issues(session, [row])
    times, counts = await issue_queries.times(session, row.id), shown.counts
    seconds = _seconds(row, times.last)
    notes = []
    if counts.unconfirmed:
        notes.append(UNCONFIRMED.format(count=counts.unconfirmed))
    if row.error:
        notes.append(row.error)
    return schemas.Report(
        issue_id=row.id,
        state=shown.state,
        counts=counts,
        links=[
            schemas.LinkOut.model_validate(each)
            for each in await issue_queries.links(session, row.id)
        ],
        seconds=seconds,
        per_second=round(counts.sent / seconds, 2) if seconds else None,
        notes=notes,
    )


def _seconds(row: Issue, last: datetime | None) -> float | None:
    if row.started_at is None:
        return None
    ended = row.sent_at or (now() if row.state == IssueState.SENDING else last)
    return round((ended - row.started_at).total_seconds(), 3) if ended else None


async def subscribers(session: AsyncSession, rows: Sequence[Subscriber]) -> list[SubscriberOut]:
    """Return subscribers with their subscriptions."""
    wishes = await subscriber_queries.subscriptions(session, [row.id for row in rows])
    reasons = await subscriber_queries.suppressions(session, [row.key for row in rows])
    return [
        SubscriberOut.model_validate(
            _with(
                row,
                SubscriberOut,
                suppressed=reasons.get(row.key),
                subscriptions=[SubscriptionOut.model_validate(each) for each in wishes[row.id]],
            )
        )
        for row in rows
    ]


def _with(row: object, shape: type[Any], **more: object) -> dict[str, object]:
    """Return the fields of a reply: those of a row, and what is known beside it."""
    of_row = shape.model_fields.keys() - more.keys()
    return {name: getattr(row, name) for name in of_row} | more
