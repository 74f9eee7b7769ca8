"""A mail as it goes over the wire (RFC 5322, MIME), for one recipient."""

import html
import re
from collections.abc import Mapping
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any

from service.kit.clock import now
from service.kit.text import storable
from service.providers.mail.addresses import ascii_form, domain_of
from service.providers.mail.contract import Mail, Recipient
from service.providers.mail.failures import MailRefused
from service.providers.mail.headers import header_problem, headers_problems

ONE_LINE = 900
"""Characters; RFC 5322 §2.1.1 allows 998 in a line."""


class _Wire(EmailPolicy):
    """Leaves ASCII headers in one line: some readers know no folded List-Unsubscribe, and the
    standard library writes a long URL as encoded words, which none knows."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        text = str(value)
        if text.isascii() and len(text) <= ONE_LINE:
            return f"{name}: {text}\r\n".encode()
        return super().fold_binary(name, value)


_BODY = policy.SMTP.clone(cte_type="7bit")
_WIRE = _Wire(linesep="\r\n", cte_type="7bit")
_WIRE_UTF8 = _Wire(linesep="\r\n", cte_type="7bit", utf8=True)


def check_mail(mail: Mail) -> None:
    """Refuse what would put other lines into a mail than its writer says.

    Raises:
        MailRefused: it names the field.
    """
    fields = [("sender", mail.sender), ("subject", mail.subject), ("reply_to", mail.reply_to)]
    fields.append(("category", mail.category))
    for name, value in fields:
        if problem := header_problem(value):
            raise MailRefused(f"{name} {problem}")
    for name, problem in headers_problems(mail.headers):
        raise MailRefused(f"headers.{name} {problem}")
    for name, value in (("sender", mail.sender), ("reply_to", mail.reply_to)):
        if (value or name == "sender") and not _is_address(value):
            raise MailRefused(f"{name} is no mail address, with or without a name")


def _is_address(value: str) -> bool:
    local, at, domain = parseaddr(value)[1].rpartition("@")
    return bool(local and at and domain and " " not in value.rpartition("@")[2].strip("<> "))


def personal(template: str, values: Mapping[str, str], *, in_html: bool = False) -> str:
    """Return a text with `%name%` replaced by the value of that name, once; others stay.

    Args:
        template: of subject, text, HTML or a header.
        values: plain text.
        in_html: whether they are escaped.
    """
    if not values or "%" not in template:
        return template
    names = "|".join(re.escape(name) for name in values)

    def value(found: re.Match[str]) -> str:
        return html.escape(values[found[1]]) if in_html else values[found[1]]

    return re.sub(f"%({names})%", value, template)


def personal_headers(mail: Mail, recipient: Recipient) -> dict[str, str]:
    """Return subject and further headers of one recipient's mail, and their name as `name`.

    Raises:
        ValueError: the recipient's own values make more than one line of one; it names the field.
    """
    found = {"subject": personal(mail.subject, recipient.values), "name": recipient.name}
    for name, value in mail.headers.items():
        found[name] = personal(value, recipient.values)
    for name, value in found.items():
        if problem := header_problem(value):
            raise ValueError(f"{name} {problem}")
    return found


def build(mail: Mail, recipient: Recipient) -> EmailMessage:
    """Return the mail of one recipient.

    Raises:
        ValueError: the recipient's name or values do not fit into headers.
    """
    headers = personal_headers(mail, recipient)
    message = EmailMessage(policy=_BODY)
    message["From"] = _address(mail.sender)
    message["To"] = _named(headers.pop("name"), wire_address(recipient.address))
    message["Subject"] = headers.pop("subject")
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{recipient.id}@{domain_of(mail.sender)}>"
    if mail.reply_to:
        message["Reply-To"] = _address(mail.reply_to)
    for name, value in headers.items():
        message[name] = value
    message.set_content(_body(mail.text, recipient.values))
    if mail.html:
        written = _body(mail.html, recipient.values, in_html=True)
        if mail.text:
            message.add_alternative(written, subtype="html")
        else:
            message.set_content(written, subtype="html")
    return message


def on_wire(message: EmailMessage, *, utf8: bool = False) -> bytes:
    """Return a mail as it is sent: 7 bit but for addresses of SMTPUTF8, lines of 998 at most."""
    return message.as_bytes(policy=_WIRE_UTF8 if utf8 else _WIRE)


def wire_address(address: str) -> str:
    """Return an address with its domain as DNS has it, where it can be written so."""
    return ascii_form(address) or address


def sender_address(mail: Mail) -> str:
    """Return the address that refusals of servers come back to."""
    return _address(mail.sender).addr_spec


def _address(text: str) -> Address:
    return _named(*parseaddr(text))


def _named(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain_of(domain))


def _body(template: str, values: Mapping[str, str], *, in_html: bool = False) -> str:
    return storable(personal(template, values, in_html=in_html))
