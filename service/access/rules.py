"""Pure rules of access: scopes by name, the shape of a key."""

import secrets
from collections.abc import Iterable
from hashlib import sha256

from service.access.caller import Scope
from service.errors import InvalidInput, Problem

KEY_PREFIX = "almanac_"
SHOWN = len(KEY_PREFIX) + 6


def new_key() -> str:
    """Make a key: a recognisable prefix and 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> bytes:
    """Return what is stored of a key. Plain SHA-256 is enough for 256 random bits."""
    return sha256(key.encode()).digest()


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
