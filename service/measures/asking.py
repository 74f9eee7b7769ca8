"""Asking a platform for the figures of one delivery or account, with a token that is good."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from service.accounts import refreshing
from service.measures import rules
from service.measures.claim_queries import DELIVERIES, Statements
from service.measures.rules import Figures
from service.platforms.contract import Destination, Platform, Reference, Wait
from service.platforms.failures import AuthFailed, PlatformError, TokenExpired, Transient
from service.posts import publishing
from service.runtime import Runtime

PATIENCE = 30.0
"""Seconds that a platform may take to answer."""
RIGHTS_OF_THEIR_OWN = frozenset({"linkedin"})
"""Where an app may publish and yet read no figures: their refusal says nothing of the account."""

log = logging.getLogger(__name__)


class Dead(Exception):
    """The account's tokens are refused and cannot be renewed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Subject:
    """A delivery or an account that was claimed."""

    row: Row[Any]
    statements: Statements
    ladder: rules.Ladder
    claim: UUID

    @property
    def is_delivery(self) -> bool:
        """Whether it is a delivery; else an account."""
        return self.statements is DELIVERIES

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to ask for any more."""
        return self.is_delivery and not self.row.is_out

    def next_delay(self) -> timedelta | None:
        """How long from its claim until it is measured again."""
        at = rules.next_time(self.row.since, self.row.claimed_at, self.ladder)
        return None if at is None else at - self.row.claimed_at

    def ask(self, platform: Platform, destination: Destination) -> Awaitable[Figures]:
        """Ask the platform."""
        if self.is_delivery:
            post = Reference(self.row.remote_id, self.row.details)
            return platform.metrics(destination, post)
        return platform.audience(destination)


async def figures(runtime: Runtime, subject: Subject) -> Figures | Wait:
    """Ask for a subject's figures.

    Returns:
        Wait while another worker renews the account's tokens.

    Raises:
        Dead: the account's tokens are refused and cannot be renewed.
        PlatformError: there are no figures now.
    """
    row = subject.row
    platform = runtime.platforms[row.platform]
    destination = publishing.destination(runtime, row)
    if wait := await _renew(runtime, platform, destination, refused=False):
        return wait
    try:
        return await _within(platform, subject.ask(platform, destination))
    except TokenExpired:
        if wait := await _renew(runtime, platform, destination, refused=True):
            return wait
    try:
        return await _within(platform, subject.ask(platform, destination))
    except TokenExpired as error:
        raise Dead(error.message) from error


async def _renew(
    runtime: Runtime, platform: Platform, destination: Destination, *, refused: bool
) -> Wait | None:
    try:
        return await refreshing.renew(runtime, platform, destination, refused=refused)
    except AuthFailed as error:
        raise Dead(error.message) from error


async def refusal_of_account(runtime: Runtime, subject: Subject) -> AuthFailed | None:
    """Return why the account itself is refused, not just figures of its; None: it may not be.

    A right that only figures need stops no post: whoever publishes judges that.
    """
    platform = runtime.platforms[subject.row.platform]
    if platform.name in RIGHTS_OF_THEIR_OWN:
        return None
    destination = publishing.destination(runtime, subject.row)
    try:
        await _within(platform, platform.audience(destination))
    except AuthFailed as refused:
        return refused
    except PlatformError as other:
        log.info("the account could not be asked for: %s", other.message)
    return None


async def _within(platform: Platform, answer: Awaitable[Figures]) -> Figures:
    try:
        async with asyncio.timeout(PATIENCE):
            return await answer
    except TimeoutError:
        raise Transient(f"{platform.title} told no figures within {PATIENCE:g} s") from None
