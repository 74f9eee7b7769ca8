"""SendGrid's signed event webhook: is it theirs, and what does it tell."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from service.errors import ConfigurationError
from service.kit.text import storable
from service.providers.mail.events import MailEvent, MailEventKind, Told

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_KINDS = {
    "processed": MailEventKind.ACCEPTED,
    "deferred": MailEventKind.DEFERRED,
    "delivered": MailEventKind.DELIVERED,
    "bounce": MailEventKind.BOUNCED,
    "spamreport": MailEventKind.COMPLAINED,
    "unsubscribe": MailEventKind.UNSUBSCRIBED,
    "open": MailEventKind.OPENED,
    "click": MailEventKind.CLICKED,
}
_DROPPED = {
    "bounced address": MailEventKind.BOUNCED,
    "invalid": MailEventKind.BOUNCED,
    "spam reporting address": MailEventKind.COMPLAINED,
    "unsubscribed address": MailEventKind.UNSUBSCRIBED,
}
"""Why SendGrid did not even try, where that is about the address."""
_CODE = re.compile(r"\s*(\d{3})\b")


def is_signed(public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """Whether a request is from whoever has the private key: ECDSA over P-256 and SHA-256.

    Args:
        public_key: as SendGrid's settings page shows it: base64 of its DER form.
        signature: of the header, base64 of the DER form.
        timestamp: of the header; it is signed before the body.
        body: as it came, byte by byte.

    Raises:
        ConfigurationError: the public key is none.
    """
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ConfigurationError("SENDGRID_EVENTS_KEY is not the public key that SendGrid shows")
    try:
        given = base64.b64decode(signature, validate=True)
        key.verify(given, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (binascii.Error, InvalidSignature, ValueError):
        return False
    return True


def told(events: Any) -> Iterator[tuple[Told, Mapping[str, Any]]]:
    """Yield what a request tells, with the raw event; what is unknown or malformed is left out."""
    for raw in events if isinstance(events, list) else ():
        if not isinstance(raw, dict):
            continue
        kind, event_id = _kind(raw), _text(raw, "sg_event_id")
        moment = _moment(raw.get("timestamp"))
        if kind is None or moment is None or not event_id:
            continue
        reason = _text(raw, "reason") or _text(raw, "response") or _text(raw, "status")
        code = _CODE.match(reason)
        event = MailEvent(
            kind, moment, int(code[1]) if code else 0, reason[:500], _text(raw, "url")[:2_000]
        )
        yield Told(event_id[:200], _text(raw, "delivery_id"), _text(raw, "email"), event), raw


def _kind(raw: Mapping[str, Any]) -> MailEventKind | None:
    name = _text(raw, "event")
    if name == "bounce" and _text(raw, "type") == "blocked":
        return MailEventKind.SOFT_BOUNCED
    if name == "dropped":
        return _DROPPED.get(_text(raw, "reason").lower(), MailEventKind.SOFT_BOUNCED)
    return _KINDS.get(name)


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return storable(value) if isinstance(value, str) else ""


def _moment(timestamp: Any) -> datetime | None:
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        return None
