"""Use cases of subscribers. None commits, none awaits the network."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.emails.queries import suppressed
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.newsletters import queries, rules, subscriber_queries
from service.newsletters.models import (
    Newsletter,
    Subscriber,
    SubscriberState,
    Subscription,
    SubscriptionState,
)
from service.newsletters.opting_in import confirm_mail
from service.newsletters.subscriber_schemas import SubscriberChange, SubscriberIn
from service.newsletters.tokens import Links
from service.providers.mail.addresses import check, key
from service.providers.mail.headers import header_problem

ASK_AGAIN = timedelta(hours=1)
"""Between two mails with a confirm link to one address."""
GONE = (SubscriberState.BOUNCED, SubscriberState.COMPLAINED, SubscriberState.BLOCKED)
"""States in which a person is asked nothing."""


async def add(uow: UnitOfWork, caller: Caller, body: SubscriberIn, links: Links) -> Subscriber:
    """Add a person, or newsletters to one who is there; each is confirmed by a mail's link.

    With `consent` it is confirmed at once, except for who has unsubscribed before: only they
    themselves can come back, by the link.

    Raises:
        InvalidInput: the address or a name is bad, a newsletter is not there, or nothing is mailed
            to the address any more.
        Conflict: the person was blocked.
    """
    session = uow.session
    address, problems = _checked(body.address, body.name)
    wanted = await queries.owned(session, caller.user_id, body.newsletters)
    known = {newsletter.id for newsletter in wanted}
    problems += [
        Problem(f"newsletters.{n}", "is no newsletter of yours", "not-found")
        for n, each in enumerate(body.newsletters)
        if each not in known
    ]
    if not problems and await suppressed(session, [address]):
        text = "nothing is mailed to this address any more: see /v1/emails/suppressions"
        problems.append(Problem("address", text, "suppressed"))
    if problems:
        raise InvalidInput(problems)
    found = await _person(session, caller.user_id, address, body.name)
    if found.state in GONE:
        raise Conflict(f"The subscriber is {found.state}")
    found.tags = rules.distinct([*found.tags, *body.tags])
    found.attributes = {**found.attributes, **body.attributes}
    found.consent = body.consent or found.consent
    for newsletter in wanted:
        row = await subscriber_queries.add_subscription(session, newsletter.id, found.id)
        if body.consent and row.state == SubscriptionState.PENDING:
            activate(row, found)
        elif row.state != SubscriptionState.ACTIVE:
            await ask(uow, row, found, newsletter, links)
    await session.flush()
    return found


async def subscribe(
    uow: UnitOfWork,
    newsletter: Newsletter,
    address: str,
    name: str,
    links: Links,
) -> None:
    """Ask a person who wants a newsletter to confirm by a link; nobody learns who is known.

    Raises:
        InvalidInput: the address or the name is bad.
    """
    address, problems = _checked(address, name)
    if problems:
        raise InvalidInput(problems)
    if await suppressed(uow.session, [address]):
        return
    found = await _person(uow.session, newsletter.owner_id, address, name)
    if found.state in GONE:
        return
    row = await subscriber_queries.add_subscription(uow.session, newsletter.id, found.id)
    if row.state != SubscriptionState.ACTIVE:
        await ask(uow, row, found, newsletter, links)
    await uow.session.flush()


async def ask(
    uow: UnitOfWork,
    row: Subscription,
    person: Subscriber,
    newsletter: Newsletter,
    links: Links,
) -> None:
    """Mail a confirm link, unless that was done within the last hour."""
    moment = now()
    if row.state == SubscriptionState.UNSUBSCRIBED:
        row.state = SubscriptionState.PENDING
    elif row.asked_at is not None and moment - row.asked_at < ASK_AGAIN:
        return
    row.asked_at = moment
    await emails.send(uow, confirm_mail(row, person, newsletter, links))


def activate(row: Subscription, person: Subscriber) -> None:
    """Let a person get a newsletter from here on."""
    row.state, row.confirmed_at, row.unsubscribed_at = SubscriptionState.ACTIVE, now(), None
    if person.state in (SubscriberState.PENDING, SubscriberState.UNSUBSCRIBED):
        person.state = SubscriberState.ACTIVE
    person.confirmed_at = person.confirmed_at or row.confirmed_at


async def change(
    session: AsyncSession, caller: Caller, subscriber_id: UUID, body: SubscriberChange
) -> Subscriber:
    """Change a person; what is blocked or unsubscribed gets nothing from here on.

    Raises:
        NotFound: the caller has no such subscriber.
        Conflict: another subscriber has the address, or only they can come back themselves.
        InvalidInput: the address or the name is bad.
    """
    found = await _for_change(session, caller, subscriber_id)
    address, problems = _checked(body.address or found.address, body.name or "")
    if problems:
        raise InvalidInput(problems)
    if key(address) != found.key:
        if await subscriber_queries.of_address(session, found.owner_id, key(address)):
            raise Conflict("Another subscriber has this address")
        await subscriber_queries.hold_back(session, found.id)
    found.address, found.key = address, key(address)
    for name, value in body.model_dump(exclude_unset=True, exclude={"address", "state"}).items():
        if value is not None:
            setattr(found, name, rules.distinct(value) if name == "tags" else value)
    if body.state is not None and body.state != found.state:
        await _move(session, found, body.state)
    await session.flush()
    return found


async def _move(session: AsyncSession, found: Subscriber, state: str) -> None:
    if state == SubscriberState.ACTIVE:
        if found.state != SubscriberState.BLOCKED:
            raise Conflict(f"The subscriber is {found.state}: only they can come back themselves")
        found.state = (
            SubscriberState.ACTIVE if found.confirmed_at is not None else SubscriberState.PENDING
        )
    elif state == SubscriberState.UNSUBSCRIBED:
        await subscriber_queries.unsubscribe_all(session, found.id, now())
        if found.state in (SubscriberState.ACTIVE, SubscriberState.PENDING):
            found.state = SubscriberState.UNSUBSCRIBED
    else:
        found.state = SubscriberState.BLOCKED
        await subscriber_queries.hold_back(session, found.id)


async def delete(session: AsyncSession, caller: Caller, subscriber_id: UUID) -> None:
    """Delete a person; the figures of issues stay, without address and name. Raises NotFound."""
    found = await _for_change(session, caller, subscriber_id)
    await subscriber_queries.forget(session, found.id)


async def _person(session: AsyncSession, owner_id: UUID, address: str, name: str) -> Subscriber:
    values: dict[str, Any] = {"owner_id": owner_id, "address": address, "key": key(address)}
    await subscriber_queries.add_subscriber(session, {**values, "name": name})
    found = await subscriber_queries.of_address(session, owner_id, key(address))
    assert found is not None, "it was written a moment ago"
    found.name = found.name or name
    return found


async def _for_change(session: AsyncSession, caller: Caller, subscriber_id: UUID) -> Subscriber:
    found = await subscriber_queries.subscriber_for_change(session, caller, subscriber_id)
    if found is None:
        raise NotFound("There is no such subscriber")
    return found


def _checked(address: str, name: str) -> tuple[str, list[Problem]]:
    problems = []
    try:
        address = check(address)
    except ValueError as error:
        problems.append(Problem("address", str(error)))
    if problem := header_problem(name):
        problems.append(Problem("name", problem))
    return address, problems
