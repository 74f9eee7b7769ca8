"""Signatures of outgoing webhooks, as in the Standard Webhooks specification."""

import base64
import binascii
import hashlib
import hmac
import time

PREFIX = "whsec_"


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


def webhook_headers(message_id: str, body: bytes, secret: str | None) -> dict[str, str]:
    """Return the headers of one request, signed if there is a secret.

    Args:
        message_id: the same on every repeat; receivers tell repeats by it.
        body: the exact bytes that are sent.
        secret: see `signing_key`.
    """
    timestamp = str(int(time.time()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    if secret:
        signed = b".".join((message_id.encode(), timestamp.encode(), body))
        digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
