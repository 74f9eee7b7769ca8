"""What all mails of an issue share, and what each reader's own adds."""

from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row

from service.newsletters.layout import list_id
from service.newsletters.tokens import Links
from service.providers.mail.contract import Mail, Recipient


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all mails of an issue share.

    Attributes:
        issue_id: what is sent.
        mail: with placeholders for what is personal.
        links: makes those of each reader.
    """

    issue_id: UUID
    mail: Mail
    links: Links

    @classmethod
    def of(cls, frozen: Row[Any], mail_from: str, links: Links) -> Self:
        """Return the envelope of an issue as `sending_queries.frozen` reads it."""
        ways = ["<%unsubscribe_url%>"]
        if frozen.unsubscribe_address:
            ways.append(f"<mailto:{frozen.unsubscribe_address}?subject=unsubscribe>")
        mail = Mail(
            sender=sender(frozen.sender_name or frozen.name, frozen.sender_address, mail_from),
            subject=frozen.subject,
            text=frozen.text,
            html=frozen.html,
            reply_to=frozen.reply_to,
            headers={
                "List-Unsubscribe": ", ".join(ways),
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "List-Id": list_id(frozen.name, frozen.slug, links.base_url),
                "Precedence": "bulk",
                "Auto-Submitted": "auto-generated",
            },
            category="newsletter",
        )
        return cls(frozen.id, mail, links)

    def recipient(self, row: Row[Any]) -> Recipient:
        """Return a claimed delivery as the provider gets it."""
        values = {"name": row.name, **self.links.of_delivery(row.id)}
        return Recipient(str(row.id), row.address, row.name, values)


def sender(name: str, address: str, mail_from: str) -> str:
    """Return who a mail is from; without an address of its own, the installation's."""
    return formataddr((name, address or parseaddr(mail_from)[1]))
