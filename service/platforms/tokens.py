"""The tokens in an account's session: `access_token, refresh_token, expires_at, scope`.

Whatever else a session holds (a user's or a page's id) stays when its tokens are renewed.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from service.kit.clock import now
from service.platforms.contract import Handles
from service.platforms.failures import AuthFailed


class TokenAnswer(msgspec.Struct):
    """What a token endpoint answers (RFC 6749 §5.1)."""

    access_token: str = ""
    refresh_token: str | None = None
    expires_in: float | None = None
    """Seconds."""
    scope: str | None = None


def access_token(session: Mapping[str, object], credentials: Mapping[str, str]) -> str:
    """Return the account's access token: the renewed one, else the one a person gave.

    Raises:
        AuthFailed: there is none.
    """
    token = session.get("access_token") or credentials.get("access_token", "").strip()
    if not token:
        raise AuthFailed("The account has no access token: connect it again")
    return str(token)


def refresh_token(session: Mapping[str, object], credentials: Mapping[str, str]) -> str | None:
    """Return the account's refresh token, if it has one."""
    token = session.get("refresh_token") or credentials.get("refresh_token", "").strip()
    return str(token) if token else None


def expires_at(session: Mapping[str, object]) -> datetime | None:
    """Return when the access token ends; None: it does not, or nobody said."""
    value = session.get("expires_at")
    if not isinstance(value, str):
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def renewed(session: Mapping[str, object], answer: TokenAnswer) -> Handles:
    """Return a session with the tokens of an answer; what the answer leaves out or empty stays.

    Raises:
        AuthFailed: the answer has no access token.
    """
    if not answer.access_token:
        raise AuthFailed("The answer holds no access token")
    made: Handles = {**session, "access_token": answer.access_token}
    if answer.refresh_token:
        made["refresh_token"] = answer.refresh_token
    if answer.expires_in:
        made["expires_at"] = (now() + timedelta(seconds=answer.expires_in)).isoformat()
    else:
        made.pop("expires_at", None)
    if answer.scope:
        made["scope"] = answer.scope
    return made


def require_scopes(granted: str | None, needed: Collection[str]) -> None:
    """Refuse a login that a person has allowed too little.

    Args:
        granted: scopes separated by spaces or commas; None: the platform does not say.
        needed: all that publishing takes.

    Raises:
        AuthFailed: names what is missing.
    """
    if granted is None:
        return
    present = set(granted.replace(",", " ").split())
    if missing := [scope for scope in needed if scope not in present]:
        raise AuthFailed(
            f"Not allowed: {', '.join(missing)}. Connect the account again and allow all it asks"
        )
