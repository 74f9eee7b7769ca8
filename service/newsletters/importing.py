"""Importing subscribers: each once, whoever repeats it, and nobody against their will."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO
from uuid import UUID

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.records import Record, records
from service.newsletters import importing_queries, queries
from service.newsletters.importing_rules import NAMES, Line, line_of
from service.newsletters.models import (
    Newsletter,
    NewsletterState,
    Subscriber,
    SubscriberState,
    SubscriptionState,
)
from service.newsletters.opting_in import confirm_mail
from service.newsletters.subscriber_schemas import BadLine, ImportOut
from service.newsletters.tokens import Links
from service.providers.mail.addresses import key
from service.runtime import Runtime

BATCH = 1_000
MOST_PROBLEMS = 100
"""Bad lines that a report tells of; all are counted."""
STAYS = (
    *(SubscriberState.UNSUBSCRIBED, SubscriberState.BLOCKED),
    *(SubscriberState.BOUNCED, SubscriberState.COMPLAINED),
)
"""States of a person that no import changes."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to import.

    Attributes:
        consent: where they said yes; None: each is asked by a mail.
        dry_run: store nothing.
    """

    consent: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class _Import:
    """An import that runs in one transaction."""

    runtime: Runtime
    uow: UnitOfWork
    newsletter: Newsletter
    options: Options
    seen: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("lines", "added", "known", "repeated", "refused", "bad", "asked"), 0
        )
    )
    problems: list[BadLine] = field(default_factory=list)

    async def take(self, lines: Sequence[Line]) -> None:
        """Import some lines."""
        self.counts["lines"] += len(lines)
        good: dict[str, Line] = {}
        for line in lines:
            if line.problem is not None:
                self._bad(line)
                continue
            its_key = key(line.address)
            if its_key in self.seen:
                self.counts["repeated"] += 1
                continue
            self.seen.add(its_key)
            good[its_key] = line
        if good:
            await self._write(good)

    def _bad(self, line: Line) -> None:
        assert line.problem is not None, "asked before"
        self.counts["bad"] += 1
        if len(self.problems) < MOST_PROBLEMS:
            where, message = line.problem
            self.problems.append(BadLine(line=line.line, field=where, message=message))

    async def _write(self, good: dict[str, Line]) -> None:
        session, newsletter = self.uow.session, self.newsletter
        keys, confirmed = sorted(good), self.options.consent is not None
        known = await importing_queries.present(session, newsletter.owner_id, newsletter.id, keys)
        refused = await importing_queries.suppressed(session, keys)
        refused |= {
            each
            for each, row in known.items()
            if row.person in STAYS or row.state == SubscriptionState.UNSUBSCRIBED
        }
        self.counts["refused"] += len(refused)
        keys = [each for each in keys if each not in refused]
        there = {each for each, row in known.items() if row.state is not None} - refused
        self.counts["added"] += len(keys) - len(there)
        self.counts["known"] += len(there)
        if not confirmed:
            self.counts["asked"] += len(keys) - len(there)
        if self.options.dry_run or not keys:
            return
        rows = [self._person(each, good[each]) for each in keys]
        ids = await importing_queries.put_people(session, rows, confirmed=confirmed)
        new = await importing_queries.put_subscriptions(
            session, newsletter.id, [ids[each] for each in keys], now(), confirmed=confirmed
        )
        if not confirmed:
            links = Links(self.runtime.keyring, self.runtime.settings.base_url)
            by_id = {ids[each]: good[each] for each in keys}
            await emails.send_many(
                self.uow,
                (
                    confirm_mail(
                        row,
                        Subscriber(
                            address=by_id[row.subscriber_id].address,
                            name=by_id[row.subscriber_id].name,
                        ),
                        newsletter,
                        links,
                    )
                    for row in new
                ),
            )

    def _person(self, its_key: str, line: Line) -> dict[str, Any]:
        consent = self.options.consent
        return {
            "owner_id": self.newsletter.owner_id,
            "address": line.address,
            "key": its_key,
            "name": line.name,
            "tags": line.tags,
            "attributes": line.attributes,
            "state": SubscriberState.ACTIVE if consent else SubscriberState.PENDING,
            "confirmed_at": now() if consent else None,
            "consent": consent or "",
        }


async def take(  # noqa: PLR0913 - what an import is made of
    runtime: Runtime,
    caller: Caller,
    newsletter_id: UUID,
    source: BinaryIO,
    options: Options,
    *,
    tell: Callable[[int], None] = lambda _: None,
) -> ImportOut:
    """Import a file in one transaction, and note who did; a repeat changes nothing.

    Args:
        runtime: of the process.
        caller: who imports.
        newsletter_id: what they are to get.
        source: the file.
        options: see `Options`.
        tell: is told how many lines were looked at.

    Raises:
        NotFound: the caller has no such newsletter.
        Conflict: it was cancelled.
        InvalidInput: the file as such is bad; nothing is imported.
    """
    found = map(line_of, _checked(records(source)))
    async with runtime.unit_of_work() as uow:
        newsletter = await queries.newsletter(uow.session, caller, newsletter_id)
        if newsletter is None:
            raise NotFound("There is no such newsletter")
        if newsletter.status == NewsletterState.CANCELLED:
            raise Conflict("The newsletter was cancelled")
        await importing_queries.expect_growth(uow.session)
        running = _Import(runtime, uow, newsletter, options)
        while lines := list(islice(found, BATCH)):
            await running.take(lines)
            tell(running.counts["lines"])
        if not options.dry_run:
            subject = f"newsletter:{newsletter_id}"
            await note(uow.session, caller.actor, "subscribers.import", subject, **running.counts)
    return ImportOut(**running.counts, problems=running.problems, dry_run=options.dry_run)


def _checked(found: Iterator[Record]) -> Iterator[Record]:
    """Pass records on; refuse a file without a column of addresses."""
    for number, record in enumerate(found):
        if number == 0 and record.problem is None:
            names = {NAMES.get(name, name) for name in record.values}
            if "address" not in names:
                text = "has no column 'address' (or 'email'): name it in the first line"
                raise InvalidInput([Problem("file", text)])
        yield record
