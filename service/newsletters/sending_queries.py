"""The fenced statements of sending: prepare, claim, stamp, record. Each is one round trip.

Every write after the claim has `claim_token = mine`: a worker that lost its claim changes nothing.
The clock is PostgreSQL's, whatever the workers' clocks say.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.outbox import OPEN, DurableJob
from service.emails.models import Suppression
from service.newsletters.models import (
    Issue,
    IssueDelivery,
    IssueLink,
    IssueState,
    Newsletter,
    Subscriber,
    SubscriberState,
    Subscription,
    SubscriptionState,
)

CLAIM = text("""
    WITH due AS MATERIALIZED (
        SELECT d.id FROM issue_deliveries d
        JOIN issues i ON i.id = d.issue_id AND i.state = 'sending'
        WHERE d.issue_id = :issue
          AND (d.state IN ('waiting', 'retrying') AND d.next_run_at <= now()
               OR d.state = 'claimed' AND d.claimed_until <= now())
        ORDER BY d.next_run_at LIMIT :most
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE issue_deliveries d SET
        state = 'claimed', claim_token = :token, claimed_by = :job, claimed_until = now() + :lease
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.address, d.name, d.attempts
""")
"""Takes mails that are due, and those that a lost worker had in its hands."""

RENEW = text("""
    UPDATE issue_deliveries SET claimed_until = now() + :lease
    WHERE issue_id = :issue AND claim_token = :token AND state IN ('claimed', 'sending')
""")
"""Extends the claims of a run that goes on."""

ABANDON = text("""
    UPDATE issue_deliveries SET
        state = CASE state WHEN 'sending' THEN 'unconfirmed' ELSE 'waiting' END,
        error = CASE state WHEN 'sending'
            THEN 'the worker was lost while it was being sent: it may have arrived' ELSE error END,
        claim_token = CASE state WHEN 'sending' THEN claim_token END,
        claimed_until = NULL
    WHERE issue_id = :issue
      AND (state IN ('claimed', 'sending') AND claimed_by = :job
           OR state = 'sending' AND claimed_until <= now())
""")
"""Ends the claims of this job's earlier runs, which are over, and of workers that are lost.

What was stamped keeps its token: a worker that was only slow may still say what became of it.
"""

PUT_BACK = text("""
    UPDATE issue_deliveries SET state = 'waiting', claim_token = NULL, claimed_until = NULL
    WHERE issue_id = :issue AND claim_token = :token AND state IN ('claimed', 'sending')
      AND id = ANY(:ids)
""")
"""Gives up claims of mails of which it is known that they were not sent."""

_RECORD = """
    UPDATE issue_deliveries d SET
        state = o.state, attempts = d.attempts + 1, code = o.code, error = o.error,
        provider_id = o.provider_id, next_run_at = now() + o.delay,
        sent_at = CASE o.state WHEN 'sent' THEN now() END,
        claim_token = CASE o.state WHEN 'unconfirmed' THEN d.claim_token END, claimed_until = NULL
    FROM unnest(
        CAST(:done AS uuid[]), CAST(:states AS text[]), CAST(:codes AS integer[]),
        CAST(:errors AS text[]), CAST(:provider_ids AS text[]), CAST(:delays AS interval[])
    ) AS o(id, state, code, error, provider_id, delay)
    WHERE d.id = o.id AND d.claim_token = :token
      AND d.state IN ('claimed', 'sending', 'unconfirmed')
    RETURNING d.id, d.address
"""
RECORD = text(_RECORD)
"""Writes down what became of mails; what was lost to another worker stays as it is."""

STAMP = text(f"""
    WITH recorded AS ({_RECORD})
    UPDATE issue_deliveries d SET state = 'sending', claimed_until = now() + :lease
    FROM issues i
    WHERE d.id = ANY(:next) AND d.state = 'claimed' AND d.claim_token = :token
      AND i.id = d.issue_id AND i.state = 'sending'
      AND NOT EXISTS (SELECT FROM suppressions s WHERE s.address = d.key)
    RETURNING d.id
""")  # noqa: S608 - put together from constants
"""Writes down what became of the mails before, and that these are on their way: one round trip
between two mails. No row for what may not go: the issue has paused, the reader has left, nothing
is mailed to the address, or the claim is lost."""

LEFT_OUT = text("""
    UPDATE issue_deliveries d SET
        state = 'suppressed', error = 'nothing is mailed to this address any more',
        claim_token = NULL, claimed_until = NULL
    WHERE d.id = ANY(:ids) AND d.state = 'claimed' AND d.claim_token = :token
      AND EXISTS (SELECT FROM suppressions s WHERE s.address = d.key)
""")
"""Ends the mails that were withheld for their address."""

GOES_ON = text("SELECT FROM issues WHERE id = :issue AND state = 'sending'")
"""A row while an issue is being sent."""

FINISH = text("""
    UPDATE issues i SET state = 'sent', sent_at = now(), error = NULL
    WHERE i.id = :issue AND i.state = 'sending' AND i.started_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM issue_deliveries d WHERE d.issue_id = i.id
        AND d.state IN ('waiting', 'retrying', 'claimed', 'sending')
    )
    RETURNING i.newsletter_id, i.sent_at, i.period
""")
"""Ends an issue of which no mail is open."""

NEXT_RUN = text("""
    SELECT min(CASE WHEN state IN ('waiting', 'retrying') THEN next_run_at ELSE claimed_until END)
        - now() AS delay
    FROM issue_deliveries
    WHERE issue_id = :issue AND state IN ('waiting', 'retrying', 'claimed', 'sending')
""")
"""How long until a mail of an issue can be taken up."""

PROGRESS = text("""
    SELECT count(*) AS total, count(*) FILTER (
        WHERE state NOT IN ('waiting', 'retrying', 'claimed', 'sending')
    ) AS done
    FROM issue_deliveries WHERE issue_id = :issue
""")


async def add_deliveries(
    session: AsyncSession, issue_id: UUID, newsletter_id: UUID, tags: Sequence[str], now: datetime
) -> None:
    """Make a delivery for every reader of a newsletter; run again, it adds only who is missing.

    Args:
        session: of the caller's transaction.
        issue_id: what they get.
        newsletter_id: whose readers.
        tags: only readers with one of these; none: all.
        now: from when they may go.
    """
    readers = (
        select(
            func.gen_random_uuid(),
            bindparam("issue", issue_id),
            Subscriber.id,
            Subscriber.address,
            Subscriber.key,
            Subscriber.name,
            bindparam("now", now),
        )
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .where(*_are_readers(newsletter_id, tags))
    )
    row = IssueDelivery
    columns = (row.id, row.issue_id, row.subscriber_id, row.address, row.key, row.name)
    new = postgresql.insert(IssueDelivery).from_select([*columns, row.next_run_at], readers)
    await session.execute(new.on_conflict_do_nothing())


def _are_readers(newsletter_id: UUID, tags: Sequence[str]) -> list[ColumnElement[bool]]:
    conditions = [
        Subscription.newsletter_id == newsletter_id,
        Subscription.state == SubscriptionState.ACTIVE,
        Subscription.confirmed_at.is_not(None),
        Subscriber.state == SubscriberState.ACTIVE,
        ~exists().where(Suppression.address == Subscriber.key),
    ]
    return [*conditions, Subscriber.tags.overlap(list(tags))] if tags else conditions


async def count_readers(session: AsyncSession, newsletter_id: UUID, tags: Sequence[str]) -> int:
    """Return to how many an issue would go now; see `add_deliveries`."""
    found = await session.scalar(
        select(func.count())
        .select_from(Subscription)
        .join(Subscriber, Subscription.subscriber_id == Subscriber.id)
        .where(*_are_readers(newsletter_id, tags))
    )
    return found or 0


async def add_delivery(
    session: AsyncSession, issue_id: UUID, address: str, key: str, now: datetime
) -> None:
    """Make a delivery to one address, unless the issue goes there already."""
    new = postgresql.insert(IssueDelivery).values(
        issue_id=issue_id, address=address, key=key, next_run_at=now
    )
    await session.execute(new.on_conflict_do_nothing())


async def add_links(session: AsyncSession, issue_id: UUID, urls: Sequence[str]) -> None:
    """Write down the links of an issue whose clicks are counted."""
    if urls:
        rows = [
            {"issue_id": issue_id, "number": number, "url": url}
            for number, url in enumerate(urls, 1)
        ]
        await session.execute(insert(IssueLink), rows)


async def frozen(session: AsyncSession, issue_id: UUID) -> Any:
    """Return what a run needs of an issue: its newsletter, subject, rendered texts."""
    found = await session.execute(
        select(
            Issue.id,
            Issue.number,
            Issue.subject,
            Issue.html,
            Issue.text,
            Newsletter.id.label("newsletter_id"),
            Newsletter.slug,
            Newsletter.name,
            Newsletter.sender_name,
            Newsletter.sender_address,
            Newsletter.reply_to,
            Newsletter.unsubscribe_address,
            Newsletter.public,
        )
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(Issue.id == issue_id)
    )
    return found.one()


async def mark_bounced(session: AsyncSession, delivery_ids: Sequence[UUID]) -> None:
    """Note of subscribers that there are no such addresses."""
    if delivery_ids:
        readers = select(IssueDelivery.subscriber_id).where(IssueDelivery.id.in_(delivery_ids))
        await session.execute(
            update(Subscriber)
            .where(Subscriber.id.in_(readers), Subscriber.state == SubscriberState.ACTIVE)
            .values(state=SubscriberState.BOUNCED)
        )


async def pause_for(session: AsyncSession, issue_id: UUID, error: str) -> Any:
    """Pause an issue that is being sent, for this reason; return its row, None if it is not."""
    paused = (
        update(Issue)
        .where(
            Issue.id == issue_id,
            Issue.state.in_((IssueState.SENDING, IssueState.SCHEDULED)),
        )
        .values(state=IssueState.PAUSED, error=error)
        .returning(Issue.id, Issue.owner_id, Issue.subject)
    )
    return (await session.execute(paused)).one_or_none()


async def without_job(session: AsyncSession, now: datetime) -> Sequence[UUID]:
    """Return issues, locked, that should be written or sent by now, and that no job does.

    A job whose worker died three times is not run again by itself.
    """
    at_work = exists().where(DurableJob.id == Issue.job_id, DurableJob.state.in_(OPEN))
    found = await session.scalars(
        select(Issue.id)
        .where(
            or_(
                Issue.state.in_((IssueState.SENDING, IssueState.WRITING)),
                (Issue.state == IssueState.SCHEDULED) & (Issue.scheduled_at <= now),
            ),
            ~at_work,
        )
        .order_by(Issue.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return found.all()
