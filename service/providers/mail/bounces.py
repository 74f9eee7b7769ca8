"""Delivery status notifications (RFC 3464): the mail that a mail server sends back."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from hashlib import sha256

from service.kit.clock import now
from service.kit.text import storable
from service.providers.mail.events import MailEvent, MailEventKind, Told

MOST_RECIPIENTS = 100
_ID = re.compile(r"<([^@<>\s]{1,100})@[^<>\s]+>")
_CODE = re.compile(r"\b([245]\d\d)\b")
_ACTIONS = {
    "delivered": MailEventKind.DELIVERED,
    "delayed": MailEventKind.DEFERRED,
    "failed": MailEventKind.SOFT_BOUNCED,
}
_NO_SUCH_ADDRESS = re.compile(r"5\.1\.(?:1|2|3|6|10)")


def read(content: bytes) -> list[Told]:
    """Return what a mail of this kind tells of each recipient.

    A failure is hard if its status says that there is no such address (RFC 3463), else soft.

    Raises:
        ValueError: it is no delivery status notification.
    """
    try:
        message = message_from_bytes(content, policy=policy.default)
        parts = list(message.walk())
    except (MessageError, ValueError, LookupError, RecursionError) as error:
        raise ValueError(f"is no mail: {error}") from None
    reports = [part for part in parts if part.get_content_type() == "message/delivery-status"]
    if not reports:
        raise ValueError("is no delivery status notification (RFC 3464)")
    identity, mail_id, at = sha256(content).hexdigest(), _mail_id(parts), _moment(message)
    groups = [group for report in reports for group in _groups(report)][:MOST_RECIPIENTS]
    return [
        Told(f"report:{identity}:{number}", mail_id, address, event)
        for number, group in enumerate(groups)
        for address, event in _told(group, at)
    ]


def _groups(report: Message) -> Iterator[Message]:
    """Yield the fields of each recipient; those of the whole mail come first."""
    payload = report.get_payload()
    if isinstance(payload, list):
        for group in payload:
            if isinstance(group, Message) and "final-recipient" in group:
                yield group


def _told(group: Message, at: datetime) -> Iterator[tuple[str, MailEvent]]:
    address = _typed(group, "original-recipient") or _typed(group, "final-recipient")
    kind = _ACTIONS.get(str(group.get("action", "")).strip().lower())
    if not address or kind is None:
        return
    status, said = storable(str(group.get("status", ""))).strip(), _typed(group, "diagnostic-code")
    if kind is MailEventKind.SOFT_BOUNCED and _NO_SUCH_ADDRESS.match(status):
        kind = MailEventKind.BOUNCED
    code = _CODE.search(said)
    reason = " ".join(f"{status} {said}".split())[:500]
    yield address, MailEvent(kind, at, int(code[1]) if code else 0, reason)


def _typed(group: Message, name: str) -> str:
    """Return the value of a field that has its type before it, such as `rfc822; a@b.example`."""
    return storable(str(group.get(name, ""))).partition(";")[2].strip().strip("<>")


def _mail_id(parts: Sequence[Message]) -> str:
    """Return the id in the Message-ID of the mail that came back, as a whole or its headers."""
    for part in parts[1:]:
        text = ""
        if part.get_content_type() == "text/rfc822-headers":
            text = str(part.get_payload())
        elif "message-id" in part and isinstance(part, EmailMessage):
            text = f"Message-ID: {part['message-id']}"
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() == "message-id" and (found := _ID.search(value)):
                return found[1]
    return ""


def _moment(message: Message) -> datetime:
    try:
        moment = parsedate_to_datetime(str(message["date"]))
    except (TypeError, ValueError):
        return now()
    return moment if moment.tzinfo and moment <= now() else now()
