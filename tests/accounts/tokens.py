"""What an account's row keeps of its tokens, read and changed as time would change it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from service.accounts import actions
from service.platforms.contract import Destination
from service.platforms.limits import Limits
from tests.support import Installation


async def row_of(api: Installation, account: str) -> Any:
    """Return an account's row."""
    (row,) = await api.sql("SELECT * FROM accounts WHERE id = :id", id=UUID(account))
    return row


async def destination_of(api: Installation, account: str) -> Destination:
    """Return an account as a worker reads it."""
    row, keyring = await row_of(api, account), api.runtime.keyring
    return Destination(
        row.id,
        row.handle,
        row.base_url,
        actions.unseal(keyring, row.id, "credentials", row.credentials),
        msgspec.convert(row.limits, Limits),
        actions.unseal(keyring, row.id, "session", row.session),
    )


async def give_tokens(
    api: Installation, account: str, tokens: dict[str, str], *, lasts: timedelta
) -> None:
    """Let an account have these tokens, which end in so long; negative: ended before."""
    end = datetime.now(UTC) + lasts
    session = {**tokens, "expires_at": end.isoformat()}
    sealed = actions.seal(api.runtime.keyring, UUID(account), "session", session)
    await api.sql(
        "UPDATE accounts SET session = :session, token_expires_at = :end WHERE id = :id",
        session=sealed,
        end=end,
        id=UUID(account),
    )


async def let_rest_pass(api: Installation) -> None:
    """Let the time pass after which the periodic renewal tries an account again."""
    await api.sql("UPDATE accounts SET refresh_after = now() WHERE refresh_after IS NOT NULL")
