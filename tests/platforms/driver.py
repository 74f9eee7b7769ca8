"""One delivery brought to a platform the way publishing does it, with a row in memory.

The attempts are the product's own (`service.posts.attempting`); only the row is kept here, as JSON,
so that a test can let the worker die at any moment and look at what the next one does.
"""

import json
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.kit.clock import now
from service.kit.ids import uuid7
from service.platforms import tokens
from service.platforms.contract import Content, Destination, Handles, Publication, Reference, Wait
from service.posts.attempting import Claim, Outcome, RetryPolicy, attempt
from service.posts.models import DUE_STATES, DeliveryState
from tests.platforms.rig import Rig

POLICY = RetryPolicy(retries=5, base=timedelta(seconds=60))
AGES = timedelta(hours=1)


class Crash(BaseException):
    """The worker is gone."""


@dataclass
class Delivery:
    """A delivery's row."""

    rig: Rig
    content: Content
    destination: Destination
    reply_to: Reference | None = None
    root: Reference | None = None
    state: DeliveryState = DeliveryState.SCHEDULED
    handles: Handles = field(default_factory=dict)
    commit_started_at: datetime | None = None
    committed_since: datetime | None = None
    attempts: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    refreshes: int = 0
    saves: int = 0
    dies_at: int | None = None
    """After so many saves."""
    dies_behind_commit: bool = False
    """Whether the worker's death comes between the platform's answer and the row."""

    def __post_init__(self) -> None:
        self.id = uuid7()
        self.began_at = self.claimed_at = self.due_at = now()

    async def save(self, handles: Handles) -> None:
        self.handles = json.loads(json.dumps(handles))
        self.saves += 1
        if self.saves == self.dies_at:
            raise Crash

    async def stamp(self, deadline: timedelta) -> datetime:
        self.commit_started_at = now()
        self.committed_since = self.committed_since or self.commit_started_at
        return self.committed_since

    async def renew(self, *, refused: bool) -> Wait | None:
        end = tokens.expires_at(self.destination.session)
        if refused or (end is not None and end <= now()):
            self.destination.session = await self.rig.platform.refresh(self.destination)
            self.refreshes += 1
        return None

    async def run(self, *, anew: bool = True) -> Outcome:
        """Make one attempt, and record its outcome as publishing does.

        Args:
            anew: whether the time in which a post may wait begins again.
        """
        self.claimed_at = now()
        self.began_at = self.claimed_at if anew else self.began_at
        publication = Publication(
            delivery_id=self.id,
            destination=self.destination,
            content=self.content,
            save=self.save,
            handles=json.loads(json.dumps(self.handles)),
            committed_since=self.committed_since,
            reply_to=self.reply_to,
            root=self.root,
        )
        claimed: Any = copy(self)  # a claim returns the row as it was
        outcome = await attempt(
            self.rig.platform, publication, claimed, Claim(self.stamp, self.renew), POLICY
        )
        if self.dies_behind_commit and self.commit_started_at is not None:
            self.dies_behind_commit = False
            raise Crash
        self.outcomes.append(outcome)
        self.state = outcome.state
        self.attempts += outcome.counts
        if not outcome.uncertain:
            self.commit_started_at = self.committed_since = None
        return outcome

    async def finish(self, most: int = 40) -> Outcome:
        """Make attempts until the delivery has ended; whatever was waited for has come."""
        outcome = await self.run()
        while self.state in DUE_STATES:
            assert len(self.outcomes) < most, self.outcomes[-3:]
            self.wait()
            outcome = await self.run()
        return outcome

    def wait(self) -> None:
        """Let time pass: for uploads to get ready, and until a lost commit would be visible."""
        self.rig.ripen()
        if self.commit_started_at is not None:
            self.commit_started_at -= AGES
