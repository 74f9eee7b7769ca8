"""What the calendar reads: a fixed number of statements, bounded by days and posts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts import queries as account_queries
from service.accounts.queries import Account, AccountState
from service.dashboard.calendar import flags as calendar_flags
from service.dashboard.calendar.board import Board, Day
from service.dashboard.calendar.entries import AccountFacts, Entry, entries
from service.dashboard.calendar.rules import DAY, MONTH, ONE, WEEK, Choice, bounds
from service.dashboard.calendar.slots import Slot, free_slots, usual_hours
from service.kit.clock import now
from service.kit.pagination import MAX_LIMIT, Page
from service.platforms.contract import Platform
from service.platforms.limits import Limits
from service.posts import calendar_queries
from service.posts.calendar_queries import Due, Found, Wanted
from service.posts.counting_queries import TROUBLED
from service.posts.models import DUE_STATES, UNSCHEDULED, DeliveryState
from service.runtime import Runtime

SENT = tuple(state for state in DeliveryState if state not in UNSCHEDULED)
SHOWN: Mapping[str, tuple[str, Collection[str]]] = {
    "": ("All but cancelled", [state for state in SENT if state != DeliveryState.CANCELLED]),
    "planned": ("Planned", [*DUE_STATES, DeliveryState.PUBLISHING, DeliveryState.HELD]),
    "published": ("Published", [DeliveryState.PUBLISHED]),
    "trouble": ("Needs a person", TROUBLED),
    "drafts": ("Drafts", ()),
    "cancelled": ("Cancelled", [DeliveryState.CANCELLED]),
}
"""What can be chosen: its title, and the states of the deliveries."""
WITH_DRAFTS = ("", "drafts")
MOST_READ = {MONTH: 12, WEEK: 30, DAY: 100}
"""Posts of one day."""
CHARACTERS = {MONTH: 120, WEEK: 120, DAY: 2000}
"""Of a post's text."""
MOST_UNDATED = 20
MOST_ACCOUNTS = 10
"""Whose free times are looked for."""
HISTORY = timedelta(days=90)
MOST_PUBLISHED = 60


async def load(runtime: Runtime, caller: Caller, choice: Choice, zone: ZoneInfo) -> Board:
    """Return what a calendar shows to a caller."""
    async with runtime.database.session() as session:
        return await Reader(session, runtime.platforms, caller, choice, zone, now()).board()


@dataclass(frozen=True, slots=True)
class Reader:
    """One reading of the calendar."""

    session: AsyncSession
    platforms: Mapping[str, Platform]
    caller: Caller
    choice: Choice
    zone: ZoneInfo
    now: datetime

    async def board(self) -> Board:
        """Read everything and arrange it."""
        found = await self._sent()
        drafts, undated = await self._drafts(*self._whole())
        due = sorted((*(one for span in found for one in span.due), *drafts), key=lambda d: d.at)
        keys = [*due, *(Due(post_id, self.now) for post_id in undated)]
        accounts, made = await self._entries(keys)
        dated, dateless = made[: len(due)], made[len(due) :]
        calendar_flags.flag(dated, self.now)
        slots = await self._slots(accounts, dated)
        totals = [span.total for span in found[1:-1]]
        days = self._arranged(dated, totals, slots or {})
        local = self.now.astimezone(self.zone)
        return Board(self.choice, local, days, dateless, accounts, slots is not None)

    def _whole(self) -> tuple[datetime, datetime]:
        days = self.choice.days
        return bounds(days[0], self.zone)[0], bounds(days[-1], self.zone)[1]

    async def _sent(self) -> list[Found]:
        """Return what is due on each day, and on the two around: posts there may be too close."""
        days = self.choice.days
        around = [days[0] - ONE, *days, days[-1] + ONE]
        if not (states := SHOWN[self.choice.show][1]):
            return [Found([], 0) for _ in around]
        spans = [bounds(day, self.zone) for day in around]
        wanted = Wanted(self.caller, states, self.choice.accounts)
        return await calendar_queries.due(self.session, wanted, spans, MOST_READ[self.choice.view])

    async def _drafts(self, begin: datetime, end: datetime) -> tuple[Sequence[Due], Sequence[UUID]]:
        if self.choice.show not in WITH_DRAFTS:
            return (), ()
        wanted = Wanted(self.caller, UNSCHEDULED, self.choice.accounts)
        dated = await calendar_queries.dated_drafts(self.session, wanted, (begin, end))
        return dated, await calendar_queries.undated_drafts(self.session, wanted, MOST_UNDATED)

    async def _entries(self, keys: Sequence[Due]) -> tuple[list[AccountFacts], list[Entry]]:
        ids = list({key.post_id for key in keys})
        characters = CHARACTERS[self.choice.view]
        posts = await calendar_queries.posts(self.session, self.caller, ids, characters)
        rows = await calendar_queries.deliveries(self.session, [post.id for post in posts])
        accounts = await self._accounts({row.account_id for row in rows})
        by_id = {account.id: account for account in accounts}
        return accounts, entries(keys, posts, rows, by_id, self.zone)

    async def _accounts(self, used: Collection[UUID]) -> list[AccountFacts]:
        listed = await account_queries.list_accounts(self.session, self.caller, Page(MAX_LIMIT))
        found = list(listed.items)
        missing = {*used, *self.choice.accounts} - {account.id for account in found}
        if missing:
            found += await account_queries.accounts_by_id(self.session, self.caller, missing)
        facts = [_facts(account, self.platforms.get(account.platform)) for account in found]
        return sorted(facts, key=lambda one: (one.platform_title, one.handle, one.id))

    async def _slots(
        self, accounts: Sequence[AccountFacts], dated: Sequence[Entry]
    ) -> dict[date, list[Slot]] | None:
        """Return the free times; None where nobody can tell, or for too many accounts."""
        chosen = self.choice.accounts
        wanted = [one for one in accounts if one.id in chosen or not chosen]
        today = self.now.astimezone(self.zone).date()
        days = [day for day in self.choice.days if day >= today]
        if self.choice.view == MONTH or self.choice.show or not (wanted and days):
            return None
        if len(wanted) > MOST_ACCOUNTS:
            return None
        ids = [account.id for account in wanted if account.connected]
        since = self.now - HISTORY
        published = await calendar_queries.last_published(self.session, ids, since, MOST_PUBLISHED)
        hours = {account: usual_hours(published.get(account, ()), self.zone) for account in ids}
        taken: dict[UUID, list[datetime]] = defaultdict(list)
        for entry in dated:
            for target in entry.targets:
                taken[target.account.id].append(entry.at)
        return free_slots(days, hours, taken, self.now, self.zone)

    def _arranged(
        self,
        dated: Sequence[Entry],
        totals: Sequence[int],
        slots: Mapping[date, list[Slot]],
    ) -> list[Day]:
        by_date: dict[date, list[Entry]] = defaultdict(list)
        for entry in dated:
            by_date[entry.local.date()].append(entry)
        arranged = []
        for day, total in zip(self.choice.days, totals, strict=True):
            in_month = self.choice.view != MONTH or day.month == self.choice.on.month
            mine = by_date[day]
            count = total + sum(entry.is_draft for entry in mine)
            one = Day(day, self.zone, in_month, mine, max(count, len(mine)))
            one.slots = [] if one.is_cut else slots.get(day, [])
            arranged.append(one)
        return arranged


def _facts(account: Account, platform: Platform | None) -> AccountFacts:
    limits = msgspec.convert(account.limits, Limits)
    usual = platform.limits.posts_per_day if platform else None
    return AccountFacts(
        id=account.id,
        platform=account.platform,
        platform_title=platform.title if platform else account.platform,
        handle=account.handle,
        connected=account.state == AccountState.ACTIVE,
        posts_per_day=limits.posts_per_day or usual,
    )
