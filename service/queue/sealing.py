"""Arguments, results and errors of sensitive jobs, encrypted with the keyring of this process.

The name of the job is authenticated with the ciphertext, so that one job's secrets cannot be read
as another's. Which key encrypted is in the ciphertext's own header; see `service.kit.crypto`.
"""

from base64 import b64decode, b64encode
from typing import Literal, Protocol

from service.errors import AlmanacError
from service.queue.errors import DecodeError, EncodeError

MASK = "‹sensitive›"  # noqa: RUF001 - in quotes that no value has
"""Stands where a value of a sensitive job is not shown."""

Part = Literal["arguments", "outcome"]


class Cipher(Protocol):
    """What encrypts: `service.kit.crypto.Keyring`, which this package need not load."""

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt for one place, which must be named again to read."""

    def decrypt(self, token: bytes, *, context: str) -> bytes:
        """Return the plaintext; raise AlmanacError when the key is unknown or a byte changed."""


class _Process:
    """What this process encrypts with."""

    keyring: Cipher | None = None


def use_keyring(keyring: Cipher | None) -> None:
    """Encrypt and decrypt sensitive jobs of this process with this keyring; None: refuse them."""
    _Process.keyring = keyring


def seal(function: str, part: Part, plaintext: bytes) -> str:
    """Encrypt one part of a job; raise EncodeError without a keyring."""
    if _Process.keyring is None:
        raise EncodeError(f"job {function} is sensitive, and {_MISSING}")
    token = _Process.keyring.encrypt(plaintext, context=_context(function, part))
    return b64encode(token).decode()


def unseal(function: str, part: Part, sealed: str) -> bytes:
    """Decrypt one part of a job; raise DecodeError when that cannot be."""
    if _Process.keyring is None:
        raise DecodeError(f"job {function} is encrypted, and {_MISSING}")
    try:
        token = b64decode(sealed, validate=True)
        return _Process.keyring.decrypt(token, context=_context(function, part))
    except (AlmanacError, ValueError) as error:
        raise DecodeError(f"the {part} of job {function} cannot be decrypted: {error}") from error


_MISSING = (
    "this process has no key: set SECRET_KEY, or call service.queue.use_keyring() where the queue "
    "is used alone"
)


def _context(function: str, part: Part) -> str:
    return f"job {function}: {part}"
