"""Pure rules of access: scopes and names, the shape of keys and cookies, who is refused and why."""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac
from urllib.parse import urlsplit

from service.access.caller import Caller, Scope
from service.errors import Conflict, Forbidden, InvalidInput, Problem

KEY_PREFIX = "almanac_"
SHOWN = len(KEY_PREFIX) + 6
NAME = re.compile(r"[\w.@+-]([\w .@+-]{0,62}[\w.@+-])?")
"""Names of users. Colons and brackets are left to actors that are none."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def new_key() -> str:
    """Make a key: a recognisable prefix and 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def new_cookie() -> str:
    """Make the value of a session's cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(key: str) -> bytes:
    """Return what is stored of a key or cookie. Plain SHA-256 is enough for 256 random bits."""
    return sha256(key.encode()).digest()


def csrf_token(cookie: str) -> str:
    """Return what a session's page sends beside the cookie, to show that it could read it."""
    return hmac(cookie.encode(), b"almanac csrf", "sha256").hex()


def masked(token: str) -> str:
    """Return a token that looks different each time, for pages that are compressed.

    How well a page compresses tells of what stands in it twice (the BREACH attack); of a token that
    never stands there twice the same, nothing can be learnt.
    """
    secret = bytes.fromhex(token)
    pad = secrets.token_bytes(len(secret))
    return (pad + _xor(pad, secret)).hex()


def is_csrf_token(cookie: str, token: str | None) -> bool:
    """Whether this is the token of the cookie, masked or not."""
    if token is None:
        return False
    right = csrf_token(cookie)
    if len(token) == 2 * len(right):
        try:
            both = bytes.fromhex(token)
        except ValueError:
            return False
        half = len(both) // 2
        token = _xor(both[:half], both[half:]).hex()
    return compare_digest(right.encode(), token.encode())


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def is_same_origin(headers: Mapping[str, str], base_url: str) -> bool:
    """Whether a request comes from a page of ours, as far as its browser tells."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    if (origin := headers.get("origin")) is None:
        return True
    host = urlsplit(origin).netloc
    return host != "" and host in {headers.get("host"), urlsplit(base_url).netloc}


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of these names.

    Raises:
        InvalidInput: one is unknown, or there is none.
    """
    allowed = ", ".join(Scope)
    names = list(names)
    problems = [
        Problem("scope", f"'{name}' is unknown; allowed: {allowed}")
        for name in names
        if name not in set(Scope)
    ]
    if not names:
        problems.append(Problem("scope", f"is needed; allowed: {allowed}"))
    if problems:
        raise InvalidInput(problems)
    return frozenset(Scope(name) for name in names)


def check_grant(caller: Caller, scopes: Collection[Scope]) -> None:
    """Raise Forbidden unless the caller holds every scope that is to be granted."""
    missing = sorted(set(scopes) - caller.scopes)
    if missing and not caller.is_admin:
        raise Forbidden(f"Only scopes that you hold can be granted; you lack: {', '.join(missing)}")


def refuse_lockout(caller: Caller, name: str, scopes: Collection[Scope]) -> None:
    """Raise Conflict when callers would take `admin` from themselves."""
    if caller.name == name and caller.is_admin and Scope.ADMIN not in scopes:
        raise Conflict("You cannot take 'admin' from yourself; another admin can")


def check_name(name: str) -> None:
    """Raise InvalidInput unless a user may have this name."""
    if NAME.fullmatch(name) is None:
        message = "has 1 to 64 letters, digits, inner spaces and . _ @ + -"
        raise InvalidInput([Problem("user", message)])


def key_refusal(
    moment: datetime,
    *,
    expires_at: datetime | None,
    revoked_at: datetime | None,
    disabled_at: datetime | None,
) -> str | None:
    """Return why a known key is refused; None when it is not.

    Args:
        moment: the present instant.
        expires_at: of the key.
        revoked_at: of the key.
        disabled_at: of its user.
    """
    if revoked_at is not None:
        return f"This API key was revoked on {revoked_at:%Y-%m-%d}"
    if expires_at is not None and expires_at <= moment:
        return f"This API key expired on {expires_at:%Y-%m-%d}: make a new one"
    if disabled_at is not None:
        return "The user of this API key is disabled"
    return None
