"""Tokens of accounts: renewed before they end, by one worker at a time.

A platform that rotates refresh tokens takes each only once: two workers that renewed at the same
time would leave the account with a token that is dead. The right to renew is a claim on the
account's row; no database connection is held while the platform is asked.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from service.accounts import actions, token_queries
from service.kit.clock import now
from service.notifications import actions as notifications
from service.platforms import tokens
from service.platforms.contract import Destination, Handles, Platform, Wait
from service.platforms.failures import PlatformError, Transient
from service.runtime import Runtime

CLAIM_LEASE = timedelta(seconds=60)
PATIENCE = 45.0
"""Seconds that a platform may take; less than the lease, so that nobody else asks meanwhile."""
ASK_AGAIN = 1.0
"""Seconds until a worker looks whether another one has renewed the tokens."""
SOON = timedelta(minutes=10)
"""A publication takes less. What ends later is left to the periodic renewal."""

log = logging.getLogger(__name__)


async def renew(
    runtime: Runtime, platform: Platform, destination: Destination, *, refused: bool
) -> Wait | None:
    """Give a destination tokens that are good for what is done next, if those it has are not.

    A token that is about to end and cannot be renewed is used as long as it lasts.

    Args:
        runtime: where the account's row is.
        platform: of the account.
        destination: with the account's session as it was read; gets the new one.
        refused: whether the platform has just refused the token, whatever its end.

    Returns:
        Wait while another worker renews them.

    Raises:
        PlatformError: the platform does not renew them.
    """
    ahead = min(platform.refresh_before, SOON)
    if not (refused or ends_within(destination.session, ahead)):
        return None
    try:
        return await exchange(runtime, platform, destination, ahead)
    except PlatformError as error:
        if refused or ends_within(destination.session, timedelta(0)):
            raise
        log.warning("a token is used although it could not be renewed: %s", error.message)
        return None


async def exchange(
    runtime: Runtime, platform: Platform, destination: Destination, ahead: timedelta
) -> Wait | None:
    """Renew a destination's tokens, unless somebody else has done it.

    Args:
        runtime: where the account's row is.
        platform: of the account.
        destination: gets the new session.
        ahead: tokens of somebody else's that last longer are good enough.

    Returns:
        Wait while another worker renews them.

    Raises:
        PlatformError: the platform does not renew them.
    """
    claim = {"account": destination.id, "claim": uuid4()}
    rows = await runtime.database.execute(token_queries.CLAIM, {**claim, "lease": CLAIM_LEASE})
    if not rows:
        return Wait(ASK_AGAIN, "Another worker is renewing the account's tokens")
    saved = False
    try:
        stored = actions.unseal(runtime.keyring, destination.id, "session", rows[0].session)
        if stored != destination.session and not ends_within(stored, ahead):
            destination.session = stored
            return None
        destination.session = stored
        session = await _refreshed(platform, destination)
        saved = await _save(runtime, session, claim)
        if not saved:
            return Wait(ASK_AGAIN, "The account was connected again meanwhile")
        destination.session = session
    finally:
        if not saved:
            await runtime.database.execute(token_queries.RELEASE, claim)
    return None


async def _refreshed(platform: Platform, destination: Destination) -> Handles:
    try:
        async with asyncio.timeout(PATIENCE):
            return await platform.refresh(destination)
    except TimeoutError:
        text = f"{platform.title} did not renew the token within {PATIENCE:g} s"
        raise Transient(text) from None


def ends_within(session: Handles, ahead: timedelta) -> bool:
    """Whether a session's token ends, or has ended, within that time from now."""
    end = tokens.expires_at(session)
    return end is not None and end - ahead <= now()


async def _save(runtime: Runtime, session: Handles, claim: dict[str, UUID]) -> bool:
    """Store a session; False if the claim is gone, as after a reconnection."""
    sealed = actions.seal(runtime.keyring, claim["account"], "session", session)
    expires = tokens.expires_at(session)
    values = {**claim, "new_session": sealed, "expires": expires}
    return bool(await runtime.database.execute(token_queries.SAVE, values))


async def disconnected(runtime: Runtime, account_id: UUID, reason: str, *, since: datetime) -> bool:
    """Note that an account must be reconnected, and tell its owner once.

    Args:
        runtime: where the account's row is.
        account_id: whose credentials are refused.
        reason: the platform's words.
        since: when the refused credentials were read: newer ones are not judged.

    Returns:
        Whether the account works all the same, for it was connected again meanwhile.
    """
    async with runtime.unit_of_work() as uow:
        values = {"account": account_id, "since": since}
        found = (await uow.session.execute(token_queries.DISCONNECT, values)).first()
        if found is None:
            state = await uow.session.scalar(token_queries.IS_ACTIVE, {"account": account_id})
            return bool(state)
        incident = notifications.Incident(
            kind=actions.NEEDS_RECONNECT,
            key=f"{actions.NEEDS_RECONNECT}:{account_id}",
            title=f"Connect {found.handle} on {found.platform} again",
            text=f"{reason}\n\nIts posts wait until it is connected again.",
            owner_id=found.owner_id,
        )
        await notifications.report(uow, incident, mail=runtime.settings.mails_at_once)
    return False
