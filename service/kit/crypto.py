"""Encryption of secrets at rest: AES-256-GCM under keys that can be rotated.

Format: version (1 byte) · key id (4) · nonce (12) · ciphertext and tag. The first 5 bytes and the
caller's context are authenticated, so a ciphertext moved to another row does not decrypt.
"""

import hmac
import os
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import AlmanacError, ConfigurationError

VERSION = b"\x01"
KEY_ID = slice(1, 5)
MIN_SECRET = 16


class CannotDecrypt(AlmanacError):
    """A stored secret cannot be decrypted."""


def _derive(secret: str, purpose: bytes = b"almanac at rest") -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(secret.encode())


def _signature(signer: bytes, message: bytes, context: str) -> bytes:
    return hmac.digest(signer, context.encode() + b"\0" + message, "sha256")


class Keyring:
    """Encrypts with the first secret; decrypts with any.

    Args:
        secrets: the present `SECRET_KEY`, then older ones; each at least 16 characters.

    Raises:
        ConfigurationError: a secret is too short.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if any(len(secret) < MIN_SECRET for secret in secrets):
            raise ConfigurationError(
                f"SECRET_KEY and SECRET_KEY_OLD need at least {MIN_SECRET} characters each; "
                "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        keys = [_derive(secret) for secret in secrets]
        self._ciphers = {sha256(key).digest()[:4]: AESGCM(key) for key in keys}
        self._current = next(iter(self._ciphers))
        self._signers = [_derive(secret, b"almanac signatures") for secret in secrets]

    @property
    def key_ids(self) -> frozenset[bytes]:
        """Ids of all keys that can decrypt here."""
        return frozenset(self._ciphers)

    @property
    def current_id(self) -> bytes:
        """Id of the key that encrypts."""
        return self._current

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt for one place; `context` (say, table and row id) must be given again to read."""
        header, nonce = VERSION + self._current, os.urandom(12)
        cipher = self._ciphers[self._current]
        return header + nonce + cipher.encrypt(nonce, plaintext, header + context.encode())

    def decrypt(self, token: bytes, *, context: str) -> bytes:
        """Return the plaintext.

        Raises:
            CannotDecrypt: the key is unknown here, or the bytes or their place were changed.
        """
        header, nonce, ciphertext = token[:5], token[5:17], token[17:]
        cipher = self._ciphers.get(token[KEY_ID])
        if token[:1] != VERSION or cipher is None:
            raise CannotDecrypt(
                f"A secret was encrypted with key {token[KEY_ID].hex()}, which is unknown here: "
                "put the earlier SECRET_KEY into SECRET_KEY_OLD"
            )
        try:
            return cipher.decrypt(nonce, ciphertext, header + context.encode())
        except InvalidTag:
            raise CannotDecrypt(f"The secret of {context} was changed or moved") from None

    def signature(self, message: bytes, *, context: str) -> bytes:
        """Return 32 bytes (HMAC-SHA256) that only an owner of the present secret can make."""
        return _signature(self._signers[0], message, context)

    def is_signature(self, found: bytes, message: bytes, *, context: str) -> bool:
        """Whether any of the secrets has signed this message in this context; in constant time."""
        return any(
            hmac.compare_digest(found, _signature(signer, message, context))
            for signer in self._signers
        )

    def renewed(self, token: bytes, *, context: str) -> bytes:
        """Return the same secret encrypted with the present key; raises as `decrypt`."""
        if token[KEY_ID] == self._current:
            return token
        return self.encrypt(self.decrypt(token, context=context), context=context)
