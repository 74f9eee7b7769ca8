"""SendGrid's v3 API, as its reference documents it: mails as each person gets them, and events.

POST /v3/mail/send checks the whole request; a mail is read after its substitutions were applied.
Events are signed as the event webhook signs them; tests post them to Almanac themselves.
"""

import base64
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.providers.mail.addresses import check
from tests.servers.faults import Dropped
from tests.servers.threaded import ThreadedServer

MOST_RECIPIENTS = 1_000
MOST_BYTES = 30 * 2**20
MOST_ARGUMENTS = 10_000
RESERVED = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "to", "from"),
        *("content-transfer-encoding", "subject", "reply-to", "cc", "bcc"),
    )
)
TOP = frozenset(
    (
        *("personalizations", "from", "reply_to", "subject", "content", "headers", "categories"),
        *("custom_args", "send_at", "batch_id", "asm", "mail_settings", "tracking_settings"),
        *("attachments", "template_id", "sections", "ip_pool_name"),
    )
)
PERSONAL = frozenset(
    ("to", "cc", "bcc", "from", "subject", "headers", "substitutions", "custom_args", "send_at")
)


@dataclass(frozen=True)
class Sent:
    """A mail as one person gets it."""

    to: str
    name: str
    sender: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    arguments: dict[str, str]
    categories: tuple[str, ...]
    message_id: str


@dataclass
class Faulty:
    """What a call gets instead of 202; `taken` does the work all the same."""

    status: int = 0
    """0: the connection ends without an answer."""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    taken: bool = False


class SendGridServer(ThreadedServer):
    """One account with one key."""

    def __init__(self, key: str = "SG.tests.key") -> None:
        self.key = key
        self.mails: list[Sent] = []
        self.calls: list[dict[str, Any]] = []
        """The body of every call."""
        self.faults: deque[Faulty] = deque()
        """What the next calls get."""
        self.trouble: Callable[[], Faulty | None] = lambda: None
        """Asked for calls when there are no `faults`."""
        self.bad: set[str] = set()
        """Addresses that it takes for malformed."""
        self._signing = ec.generate_private_key(ec.SECP256R1())
        routes = [
            Route("/v3/mail/send", self._send, methods=["POST"]),
            Route("/v3/scopes", self._scopes, methods=["GET"]),
        ]
        super().__init__(Starlette(routes=routes))

    @property
    def events_key(self) -> str:
        """The public key, as the settings page shows it."""
        public = self._signing.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(public).decode()

    def signed(self, *events: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a request of the event webhook."""
        body, moment = json.dumps(events).encode(), str(int(time.time()))
        signature = self._signing.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "Content-Type": "application/json;charset=utf-8",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": moment,
        }

    def event(self, mail: Sent, kind: str, **more: Any) -> dict[str, Any]:
        """Return an event of a mail, with the fields that all have."""
        return {
            "email": mail.to,
            "timestamp": int(time.time()),
            "smtp-id": f"<{mail.message_id}@geopod-ismtpd-1>",
            "event": kind,
            "category": list(mail.categories),
            "sg_event_id": uuid4().hex,
            "sg_message_id": f"{mail.message_id}.filter0001.1-1",
            **mail.arguments,
            **more,
        }

    async def _scopes(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _errors(401, ("authorization required", None))
        return JSONResponse({"scopes": ["mail.send"]})

    async def _send(self, request: Request) -> Response:
        raw = await request.body()
        if request.headers.get("authorization") != f"Bearer {self.key}":
            text = "The provided authorization grant is invalid, expired, or revoked"
            return _errors(401, (text, None))
        body = json.loads(raw)
        self.calls.append(body)
        fault = self.faults.popleft() if self.faults else self.trouble()
        if fault and not fault.taken:
            return _faulty(fault)
        if len(raw) > MOST_BYTES:
            return _errors(
                413, ("The JSON payload you have included in your request is too large", None)
            )
        if faults := self._check(body):
            return _errors(400, *faults)
        message_id = uuid4().hex[:22]
        self.mails += [_sent(body, each, message_id) for each in body["personalizations"]]
        if fault:
            return _faulty(fault)
        return Response(status_code=202, headers={"X-Message-Id": message_id})

    def _check(self, body: dict[str, Any]) -> list[tuple[str, str | None]]:
        faults: list[tuple[str, str | None]] = [
            (f"{name} is unknown", name) for name in sorted(set(body) - TOP)
        ]
        personal = body.get("personalizations") or []
        if not 1 <= len(personal) <= MOST_RECIPIENTS:
            faults.append(("The personalizations field is required", "personalizations"))
        for number, each in enumerate(personal):
            faults += self._check_one(each, f"personalizations.{number}", body)
        if "email" not in body.get("from", {}):
            faults.append(("The from object must be provided", "from"))
        types = [part.get("type") for part in body.get("content", [])]
        if not types or types != sorted(types, key=["text/plain", "text/html"].index):
            faults.append(
                ("If present, text/plain must be first, followed by text/html", "content")
            )
        if any(not part.get("value") for part in body.get("content", [])):
            faults.append(
                ("The content value must be a string at least one character", "content.0")
            )
        if len(body.get("categories", [])) > 10:
            faults.append(("no more than 10 categories", "categories"))
        return faults + _check_headers(body.get("headers", {}), "headers")

    def _check_one(
        self, each: dict[str, Any], where: str, body: dict[str, Any]
    ) -> list[tuple[str, str | None]]:
        faults: list[tuple[str, str | None]] = [
            (f"{name} is unknown", f"{where}.{name}") for name in sorted(set(each) - PERSONAL)
        ]
        if not each.get("to"):
            return [("The to array is required", f"{where}.to")]
        for number, to in enumerate(each["to"]):
            address = to.get("email", "")
            try:
                bad = check(address) != address or not address.isascii() or address in self.bad
            except ValueError:
                bad = True
            if bad:
                text = "Does not contain a valid address."
                faults.append((text, f"{where}.to.{number}.email"))
            if set(to.get("name", "")) & {";", ","}:
                faults.append(("names have no ; or ,", f"{where}.to.{number}.name"))
        if not (each.get("subject") or body.get("subject")):
            faults.append(("The subject is required", f"{where}.subject"))
        for name in ("substitutions", "custom_args"):
            values = each.get(name, {})
            if sum(len(k.encode()) + len(v.encode()) for k, v in values.items()) > MOST_ARGUMENTS:
                faults.append((f"{name} are limited to 10,000 bytes", f"{where}.{name}"))
        return faults + _check_headers(each.get("headers", {}), f"{where}.headers")


def _check_headers(headers: dict[str, str], where: str) -> list[tuple[str, str | None]]:
    bad = [n for n, v in headers.items() if n.lower() in RESERVED or not (n + v).isascii()]
    return [(f"the header {name} may not be set", where) for name in bad]


def _sent(body: dict[str, Any], each: dict[str, Any], message_id: str) -> Sent:
    def applied(text: str) -> str:
        for name, value in each.get("substitutions", {}).items():
            text = text.replace(name, value)
        return text

    content = {part["type"]: applied(part["value"]) for part in body["content"]}
    sender = body["from"]
    return Sent(
        to=each["to"][0]["email"],
        name=each["to"][0].get("name", ""),
        sender=f"{sender['name']} <{sender['email']}>" if "name" in sender else sender["email"],
        subject=applied(each.get("subject") or body["subject"]),
        text=content.get("text/plain", ""),
        html=content.get("text/html", ""),
        headers={**body.get("headers", {}), **each.get("headers", {})},
        arguments={**body.get("custom_args", {}), **each.get("custom_args", {})},
        categories=tuple(body.get("categories", [])),
        message_id=message_id,
    )


def _faulty(fault: Faulty) -> Response:
    if not fault.status:
        return Dropped()
    body = fault.body or {"errors": [{"message": "as armed", "field": None, "help": None}]}
    return JSONResponse(body, fault.status, headers=fault.headers)


def _errors(status: int, *faults: tuple[str, str | None]) -> Response:
    errors = [{"message": text, "field": where, "help": None} for text, where in faults]
    return JSONResponse({"errors": errors}, status)
