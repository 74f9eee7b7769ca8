"""Tokens of accounts: renewed before they end, by one worker at a time.

A platform that rotates refresh tokens takes each only once: two workers that renewed at the same
time would leave the account with a token that is dead. The right to renew is a claim on the
account's row; no database connection is held while the platform is asked.
"""

from datetime import timedelta
from uuid import UUID, uuid4

from service.accounts import actions, token_queries
from service.kit.clock import now
from service.notifications import actions as notifications
from service.platforms import tokens
from service.platforms.contract import Destination, Handles, Platform, Wait
from service.runtime import Runtime

CLAIM_LEASE = timedelta(seconds=60)
"""Longer than a platform may take to answer."""
ASK_AGAIN = 1.0
"""Seconds until a worker looks whether another one has renewed the tokens."""


async def renew(
    runtime: Runtime, platform: Platform, destination: Destination, *, refused: bool
) -> Wait | None:
    """Give a destination tokens that are good, if those it has are not.

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
    if not (refused or _ends_soon(platform, destination.session)):
        return None
    claim = {"account": destination.id, "claim": uuid4()}
    rows = await runtime.database.execute(token_queries.CLAIM, {**claim, "lease": CLAIM_LEASE})
    if not rows:
        return Wait(ASK_AGAIN, "Another worker is renewing the account's tokens")
    saved = False
    try:
        stored = actions.unseal(runtime.keyring, destination.id, "session", rows[0].session)
        if stored != destination.session and not _ends_soon(platform, stored):
            destination.session = stored
            return None
        destination.session = stored
        destination.session = await platform.refresh(destination)
        await _save(runtime, destination.session, claim)
        saved = True
    finally:
        if not saved:
            await runtime.database.execute(token_queries.RELEASE, claim)
    return None


def _ends_soon(platform: Platform, session: Handles) -> bool:
    end = tokens.expires_at(session)
    return end is not None and end - platform.refresh_before <= now()


async def _save(runtime: Runtime, session: Handles, claim: dict[str, UUID]) -> None:
    sealed = actions.seal(runtime.keyring, claim["account"], "session", session)
    expires = tokens.expires_at(session)
    await runtime.database.execute(
        token_queries.SAVE, {**claim, "new_session": sealed, "expires": expires}
    )


async def disconnected(runtime: Runtime, account_id: UUID, reason: str) -> None:
    """Note that an account must be reconnected, and tell its owner once."""
    async with runtime.unit_of_work() as uow:
        found = (
            await uow.session.execute(token_queries.DISCONNECT, {"account": account_id})
        ).first()
        if found is None:
            return
        incident = notifications.Incident(
            kind="account.needs_reconnect",
            key=f"account.needs_reconnect:{account_id}",
            title=f"Connect {found.handle} on {found.platform} again",
            text=f"{reason}\n\nIts posts wait until it is connected again.",
            owner_id=found.owner_id,
        )
        await notifications.report(uow, incident, mail=runtime.settings.mails_at_once)
