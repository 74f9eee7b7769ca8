"""Addresses at which platforms fetch a file: nobody can guess one, and each ends by itself."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.kit.crypto import Keyring

LIFETIME = timedelta(hours=24)
CONTEXT = "media address"
ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
"""Some platforms go by the end of a name, before they look at the header."""
_TYPES = {ending: content_type for content_type, ending in ENDINGS.items()}
_BODY = struct.Struct(">32sI")
_SIGNATURE = 32


@dataclass(frozen=True, slots=True)
class Named:
    """What an address stands for."""

    sha256: str
    content_type: str


def token(keyring: Keyring, digest: str, content_type: str, now: datetime) -> str:
    """Return the last part of a file's address, good for `LIFETIME`.

    Args:
        keyring: signs it.
        digest: the file's SHA-256.
        content_type: one of `ENDINGS`.
        now: the present time.
    """
    body = _BODY.pack(bytes.fromhex(digest), int((now + LIFETIME).timestamp()))
    ending = ENDINGS[content_type]
    signature = keyring.signature(body + ending.encode(), context=CONTEXT)
    return f"{urlsafe_b64encode(body + signature).decode().rstrip('=')}.{ending}"


def named(keyring: Keyring, token: str, now: datetime) -> Named | None:
    """Return what an address stands for; None: nothing, or not any more."""
    text, _, ending = token.partition(".")
    content_type = _TYPES.get(ending)
    try:
        found = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    if content_type is None or len(found) != _BODY.size + _SIGNATURE:
        return None
    body, signature = found[: _BODY.size], found[_BODY.size :]
    if not keyring.is_signature(signature, body + ending.encode(), context=CONTEXT):
        return None
    digest, end = _BODY.unpack(body)
    if now > datetime.fromtimestamp(end, UTC):
        return None
    return Named(digest.hex(), content_type)
