"""Passwords: argon2id, in threads of their own, so that no request waits for another's hash."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.errors import InvalidInput, Problem

T = TypeVar("T")
SHORTEST, LONGEST = 12, 1024
"""Characters."""
# RFC 9106's function with OWASP's smaller memory (19 MiB): two at once are all that ever run.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_THREADS = ThreadPoolExecutor(2, "argon2")
_NOBODYS = _HASHER.hash(secrets.token_urlsafe(16))
"""What the password of an unknown user is compared with: it takes as long as that of a known."""


def check_length(password: str) -> None:
    """Raise InvalidInput when nobody may have this password."""
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"has {len(password)} characters; {SHORTEST} to {LONGEST} are allowed"
        raise InvalidInput([Problem("password", message)])


async def hashed(password: str) -> str:
    """Return what is stored of a password.

    Raises:
        InvalidInput: it is too short or too long.
    """
    check_length(password)
    return await _in_thread(lambda: _HASHER.hash(password))


async def verified(stored: str | None, password: str) -> bool:
    """Whether this is the password; takes as long where none is stored."""
    right = await _in_thread(lambda: _matches(stored or _NOBODYS, password))
    return right and stored is not None


def outdated(stored: str) -> bool:
    """Whether a password was hashed with other parameters than those of today."""
    return _HASHER.check_needs_rehash(stored)


def generated() -> str:
    """Make a password of 120 random bits."""
    return secrets.token_urlsafe(15)


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
