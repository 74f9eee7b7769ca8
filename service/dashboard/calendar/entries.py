"""Entries of the calendar: a post at an instant, and what became of it with each account."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from service.dashboard.calendar.rules import clock
from service.dashboard.formats import duration, moment
from service.posts.calendar_queries import Due
from service.posts.models import IDLE_STATES, UNSCHEDULED, DeliveryState, Hold
from service.posts.rules import post_state

LATE = 60.0
"""Seconds after which what is published is said to be late."""
FIXED: Mapping[str, str] = {
    DeliveryState.PUBLISHED: "It is published already, so it stays where it is.",
    DeliveryState.PUBLISHING: "It is being published right now, so it stays where it is.",
    DeliveryState.UNCONFIRMED: "Nobody knows whether it is out. Its own page says what to do.",
    DeliveryState.CANCELLED: "It is cancelled, so it stays where it is.",
}
"""Why a post with a delivery in such a state cannot be moved."""
WAITS_FOR: Mapping[str, str] = {
    Hold.ACCOUNT: "waits until the account is connected again",
    Hold.OWNER: "waits, for its owner may not publish any more",
    Hold.LATE: "was too late: waits for somebody to publish it all the same, move or cancel it",
}
"""What a delivery that is held waits for."""
SIGNS = {"bluesky": "Bs", "feed": "Fd", "mastodon": "Ma", "webhook": "Wh", "x": "X"}


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What the calendar knows of an account."""

    id: UUID
    platform: str
    platform_title: str
    handle: str
    connected: bool
    posts_per_day: int | None = None

    @property
    def name(self) -> str:
        """The account in words."""
        return f"{self.platform_title} {self.handle}"


@dataclass(frozen=True, slots=True)
class Target:
    """One account that a post goes to."""

    account: AccountFacts
    state: str
    due_at: datetime
    next_run_at: datetime
    attempts: int
    error: str | None
    published_at: datetime | None
    url: str | None
    hold: str | None = None
    """Of what is held: why."""

    @property
    def sign(self) -> str:
        """Two letters for the platform."""
        platform = self.account.platform
        return SIGNS.get(platform, platform[:2].title())

    @property
    def is_open(self) -> bool:
        """Whether it is still to be published."""
        return self.state in IDLE_STATES

    @property
    def link(self) -> str | None:
        """Where it is published, if that is an address for a browser."""
        is_web = self.url is not None and self.url.startswith(("https://", "http://"))
        return self.url if is_web and self.state == DeliveryState.PUBLISHED else None


@dataclass(slots=True)
class Entry:
    """One post, with what of it is due at one instant."""

    post_id: UUID
    anchor: str
    """The id of its link on the page."""
    at: datetime
    """When it is due, in UTC."""
    local: datetime
    """The same in the person's zone."""
    text: str
    images: int
    zone: str
    """In which the post was planned."""
    targets: list[Target]
    fixed: str = ""
    """Why it cannot be moved; empty: it can."""
    failures: list[str] = field(default_factory=list)
    """What went wrong with it."""
    warnings: list[str] = field(default_factory=list)
    """What may go wrong with it."""

    @property
    def state(self) -> str:
        """Of the post, as far as it is due at this instant."""
        return post_state([target.state for target in self.targets])

    @property
    def concerns(self) -> list[str]:
        """What about it a person should look at."""
        return self.failures + self.warnings

    @property
    def is_draft(self) -> bool:
        """Whether nothing of it is scheduled."""
        return all(target.state in UNSCHEDULED for target in self.targets)

    @property
    def clock(self) -> str:
        """The time of day."""
        return clock(self.local)

    @property
    def signs(self) -> list[tuple[str, int]]:
        """Its platforms, each with the number of accounts there."""
        counts: dict[str, int] = defaultdict(int)
        for target in self.targets:
            counts[target.sign] += 1
        return list(counts.items())

    @property
    def audience(self) -> str:
        """Its accounts in words."""
        return ", ".join(target.account.name for target in self.targets) or "no account yet"


def entries(
    found: Iterable[Due],
    posts: Sequence[Any],
    deliveries: Sequence[Any],
    accounts: Mapping[UUID, AccountFacts],
    zone: ZoneInfo,
) -> list[Entry]:
    """Return the entries of what was found, in its order.

    Args:
        found: posts, each at an instant.
        posts: rows of them.
        deliveries: rows of all their deliveries.
        accounts: those that the deliveries name.
        zone: of the person.
    """
    rows = {row.id: row for row in posts}
    of_post: dict[UUID, list[Any]] = defaultdict(list)
    for delivery in deliveries:
        of_post[delivery.post_id].append(delivery)
    seen: dict[UUID, int] = defaultdict(int)
    made = []
    for post_id, at in found:
        if (row := rows.get(post_id)) is None:
            continue
        everything = of_post[post_id]
        mine = [d for d in everything if d.due_at == at or d.state in UNSCHEDULED]
        seen[post_id] += 1
        count = f"-{seen[post_id]}" if seen[post_id] > 1 else ""
        made.append(
            Entry(
                post_id=post_id,
                anchor=f"post-{post_id}{count}",
                at=at,
                local=at.astimezone(zone),
                text=" ".join((row.text or row.link or "").split()),
                images=row.images,
                zone=row.zone,
                targets=[_target(delivery, accounts) for delivery in mine],
                fixed=why_fixed((d.state, d.committing) for d in everything),
            )
        )
    return made


def _target(row: Any, accounts: Mapping[UUID, AccountFacts]) -> Target:
    unknown = AccountFacts(row.account_id, row.platform, row.platform, "", connected=True)
    return Target(
        account=accounts.get(row.account_id, unknown),
        state=row.state,
        due_at=row.due_at,
        next_run_at=row.next_run_at,
        attempts=row.attempts,
        error=row.error,
        published_at=row.published_at,
        url=row.remote_url,
        hold=row.hold,
    )


def why_fixed(deliveries: Iterable[tuple[str, bool]]) -> str:
    """Say why a post stays where it is; empty when it can be moved.

    Args:
        deliveries: the state of each, and whether it may be out already.
    """
    states = list(deliveries)
    going = [found for found in states if found[0] != DeliveryState.CANCELLED]
    if states and not going:
        return FIXED[DeliveryState.CANCELLED]
    for state, committing in going:
        if state in FIXED:
            return FIXED[state]
        if committing:
            return FIXED[DeliveryState.UNCONFIRMED]
    return ""


def outcome(target: Target, zone: ZoneInfo) -> str:
    """Say in words what became of a post with one account."""
    match target.state:
        case DeliveryState.PUBLISHED if target.published_at is not None:
            late = (target.published_at - target.due_at).total_seconds()
            at = f"{target.published_at.astimezone(zone):%H:%M:%S}"
            return f"published at {at}" + (f", {duration(late)} late" if late >= LATE else "")
        case DeliveryState.FAILED:
            return f"failed: {target.error or 'the platform gave no reason'}"
        case DeliveryState.UNCONFIRMED:
            return "nobody knows whether it is out: look there"
        case DeliveryState.HELD:
            return WAITS_FOR.get(target.hold or "", WAITS_FOR[Hold.ACCOUNT])
        case DeliveryState.RETRYING | DeliveryState.WAITING:
            why = f": {target.error}" if target.error else ""
            return f"tried {target.attempts} times, again {moment(target.next_run_at, zone)}{why}"
        case DeliveryState.DRAFT:
            return "a draft: it goes out when it is scheduled"
        case DeliveryState.APPROVED:
            return "approved: it goes out when it is scheduled"
        case state:
            return str(state)
