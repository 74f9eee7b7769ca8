"""Signatures of outgoing webhooks, as in the Standard Webhooks specification."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time

PREFIX = "whsec_"


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signing_key(secret: str) -> bytes:
    """Return the key of a secret: `whsec_` and base64, or any other text as it is.

    Raises:
        ValueError: what follows `whsec_` is not base64, or is empty.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"after {PREFIX} comes no base64") from error
    if not key:
        raise ValueError(f"after {PREFIX} comes nothing")
    return key


def webhook_headers(message_id: str, body: bytes, *signers: str) -> dict[str, str]:
    """Return the headers of one request, with a signature of each secret.

    Args:
        message_id: the same on every repeat; receivers tell repeats by it.
        body: the exact bytes that are sent.
        signers: see `signing_key`; empty ones do not sign.
    """
    timestamp = str(int(time.time()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    if signatures := [_signature(secret, signed) for secret in signers if secret]:
        headers["webhook-signature"] = " ".join(signatures)
    return headers


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
