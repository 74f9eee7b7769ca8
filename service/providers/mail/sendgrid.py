"""Mail through SendGrid's v3 API (POST /v3/mail/send), many recipients in one call.

Each recipient is a personalization of their own and sees nobody else. There is no idempotency: a
call whose answer is lost leaves it open whether its mails go out, and the event webhook tells.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import parseaddr
from html import escape
from typing import Any

from service.kit.clock import now
from service.kit.outbound import Answer, AnswerLost, NotSent, Outbound, OutboundRefused
from service.providers.mail import messages
from service.providers.mail.contract import (
    Accepted,
    Delayed,
    Mail,
    Outcome,
    Recipient,
    Refused,
    Release,
    Unclear,
    Withheld,
    let_go,
)
from service.providers.mail.failures import MailDelayed, MailRefused, without_addresses

DEADLINE = 60.0
"""Seconds for a whole call."""
MAX_SUBSTITUTIONS = 10_000
"""Bytes of one recipient's names and values."""
LONGEST_WAIT = timedelta(hours=1)
_ONE = re.compile(r"personalizations[.\[](\d+)")
_PLACEHOLDER = re.compile(r"%([A-Za-z_]\w*)%")
_NOT_IN_NAMES = str.maketrans(",;", "  ")
_UNTRACKED = {
    name: {"enable": False} for name in ("click_tracking", "open_tracking", "subscription_tracking")
}
"""Links and pictures stay as they were written: counting them is Almanac's, and opt-in."""


class SendGrid:
    """An account of SendGrid.

    Args:
        key: of its API, with the permission Mail Send.
        outbound: what calls are made with.
        url: where its API is; accounts in the EU have another.
    """

    name = "sendgrid"
    batch = 500
    tells = True

    def __init__(self, key: str, outbound: Outbound, url: str = "https://api.sendgrid.com") -> None:
        self._outbound, self._url = outbound, url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def check(self) -> str:
        """Ask what the key may do; return where. Raises MailRefused, MailDelayed."""
        try:
            answer = await self._outbound.request(
                "GET", f"{self._url}/v3/scopes", headers=self._headers
            )
        except (NotSent, AnswerLost, OutboundRefused) as error:
            raise MailDelayed(f"SendGrid: {error.message}") from error
        if answer.status == 429 or answer.status >= 500:
            raise MailDelayed(f"SendGrid answers {answer.status}", _seconds_to(_until(answer)))
        if not answer.is_success:
            raise _refusal(answer)
        if "mail.send" not in _json(answer).get("scopes", []):
            raise MailRefused("SENDGRID_API_KEY lacks the permission Mail Send: make a key with it")
        return f"SendGrid at {self._url}, the key may send"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["SendGrid"]:
        """Return this; calls open their own connections."""
        yield self

    async def send(
        self, mail: Mail, recipients: Sequence[Recipient], release: Release = let_go
    ) -> Mapping[str, Outcome]:
        """Hand a mail over for up to `batch` recipients; see `contract.Sender`."""
        messages.check_mail(mail)
        outcomes: dict[str, Outcome] = {}
        personal: dict[str, dict[str, Any]] = {}
        for recipient in recipients:
            try:
                personal[recipient.id] = _personalization(mail, recipient)
            except ValueError as error:
                outcomes[recipient.id] = Refused(400, str(error))
        released = set(await release(list(personal))) if personal else set()
        outcomes |= {each: Withheld() for each in personal if each not in released}
        going = {each: personal[each] for each in personal if each in released}
        body = _body(mail, personal=any(recipient.values for recipient in recipients))
        while going:
            answer = await self._call({**body, "personalizations": list(going.values())})
            refused = _refused(answer, list(going)) if isinstance(answer, Answer) else {}
            if not refused:
                return outcomes | dict.fromkeys(going, _outcome(answer))
            outcomes |= refused
            going = {each: going[each] for each in going if each not in refused}
        return outcomes

    async def _call(self, body: Mapping[str, Any]) -> "Answer | Delayed | Unclear":
        try:
            # On a kept connection that is just closing, what was not sent looks like a lost answer.
            return await self._outbound.request(
                "POST",
                f"{self._url}/v3/mail/send",
                fresh=True,
                deadline=DEADLINE,
                headers=self._headers,
                json=body,
            )
        except (NotSent, OutboundRefused) as error:
            return Delayed(f"SendGrid was not reached: {error.message}")
        except AnswerLost as error:
            return Unclear(f"SendGrid's answer was lost: {error.message}")


def _body(mail: Mail, *, personal: bool) -> dict[str, Any]:
    html = _marked(mail.html) if personal else mail.html
    content = [("text/plain", mail.text), ("text/html", html)]
    body: dict[str, Any] = {
        "from": _sender(mail.sender),
        "content": [{"type": kind, "value": value} for kind, value in content if value],
        "tracking_settings": _UNTRACKED,
    }
    if mail.reply_to:
        body["reply_to"] = _sender(mail.reply_to)
    if mail.category:
        body["categories"] = [mail.category[:255]]
    return body


def _marked(html: str) -> str:
    """Name the placeholders of the HTML apart: there their values are escaped, in the text not."""
    return _PLACEHOLDER.sub(r"%\1.html%", html)


def _personalization(mail: Mail, recipient: Recipient) -> dict[str, Any]:
    headers = messages.personal_headers(mail, recipient)
    address, name = messages.wire_address(recipient.address), headers.pop("name")
    to = {"email": address}
    if plain := " ".join(name.translate(_NOT_IN_NAMES).split()):
        to["name"] = plain
    found: dict[str, Any] = {
        "to": [to],
        "subject": headers.pop("subject"),
        "custom_args": {"delivery_id": recipient.id},
    }
    if headers:
        found["headers"] = {
            name: value if value.isascii() else Header(value, "utf-8", maxlinelen=10_000).encode()
            for name, value in headers.items()
        }
    if values := _substitutions(mail, recipient.values):
        found["substitutions"] = values
    return found


def _substitutions(mail: Mail, values: Mapping[str, str]) -> dict[str, str]:
    """Return what stands for the placeholders that there are. Raises ValueError if it is much."""
    if not values:
        return {}
    in_text = set(_PLACEHOLDER.findall(mail.text)) & values.keys()
    in_html = set(_PLACEHOLDER.findall(mail.html)) & values.keys()
    # Placeholders without a value are to stay as they are, in the HTML too.
    others = set(_PLACEHOLDER.findall(mail.html)) - values.keys()
    found = {f"%{name}%": values[name] for name in sorted(in_text)}
    found |= {f"%{name}.html%": escape(values[name]) for name in sorted(in_html)}
    found |= {f"%{name}.html%": f"%{name}%" for name in sorted(others)}
    if sum(len(f"{name}{value}".encode()) for name, value in found.items()) > MAX_SUBSTITUTIONS:
        raise ValueError(f"the recipient's values are more than {MAX_SUBSTITUTIONS:,} bytes")
    return found


def _sender(text: str) -> dict[str, str]:
    name, address = parseaddr(text)
    address = messages.wire_address(address)
    return {"email": address, "name": name} if name else {"email": address}


def _json(answer: Answer) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _errors(answer: Answer) -> list[dict[str, Any]]:
    errors = _json(answer).get("errors")
    return [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []


def _refused(answer: Answer, ids: Sequence[str]) -> dict[str, Outcome]:
    """Return the recipients because of whom the call was refused as a whole, each with why."""
    refused: dict[str, Outcome] = {}
    if answer.status != 400:
        return refused
    for error in _errors(answer):
        found = _ONE.match(str(error.get("field")))
        if found and int(found[1]) < len(ids):
            refused[ids[int(found[1])]] = Refused(400, str(error.get("message"))[:500])
    return refused


def _outcome(answer: Answer | Delayed | Unclear) -> Outcome:
    """Return what a call's answer means for all of its recipients. Raises MailRefused."""
    if not isinstance(answer, Answer):
        return answer
    if answer.is_success:
        return Accepted(answer.headers.get("x-message-id", ""))
    if answer.status == 429 or answer.status >= 500:
        return Delayed(f"SendGrid answers {answer.status}", _until(answer))
    raise _refusal(answer)


def _refusal(answer: Answer) -> MailRefused:
    said = "; ".join(str(error.get("message")) for error in _errors(answer))[:500]
    said = without_addresses(said) or "no reason given"
    if answer.status in {401, 403}:
        where = "SendGrid → Settings → API Keys, permission Mail Send; Sender Authentication"
        return MailRefused(f"SendGrid refuses SENDGRID_API_KEY ({answer.status}): {said}. {where}")
    return MailRefused(f"SendGrid refuses the mail ({answer.status}): {said}")


def _until(answer: Answer) -> datetime | None:
    """Return when SendGrid wants to be asked again: the end of its present period (429 only)."""
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.status != 429 or not reset.isdecimal() or len(reset) > 10:
        return None
    moment = datetime.fromtimestamp(int(reset), UTC)
    return min(max(moment, now()), now() + LONGEST_WAIT)


def _seconds_to(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - now()).total_seconds()
