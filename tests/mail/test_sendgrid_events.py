"""SendGrid's event webhook: only what is signed is theirs, and what each event means."""

import base64
from typing import Any

import pytest

from service.errors import ConfigurationError
from service.providers.mail.events import MailEventKind
from service.providers.mail.sendgrid_events import is_signed, told
from tests.servers.sendgrid import SendGridServer


def test_only_signed_events_are_theirs() -> None:
    server, stranger = SendGridServer(), SendGridServer()
    body, headers = server.signed({"event": "open"})
    signature = headers["X-Twilio-Email-Event-Webhook-Signature"]
    moment = headers["X-Twilio-Email-Event-Webhook-Timestamp"]
    assert is_signed(server.events_key, signature, moment, body)
    assert not is_signed(stranger.events_key, signature, moment, body)
    assert not is_signed(server.events_key, signature, moment, body + b" ")
    assert not is_signed(server.events_key, signature, f"{moment}1", body)
    for forged in ("", "no base64", base64.b64encode(b"short").decode()):
        assert not is_signed(server.events_key, forged, moment, body)
    for no_key in ("", "AAAA", "no base64"):
        with pytest.raises(ConfigurationError, match="SENDGRID_EVENTS_KEY"):
            is_signed(no_key, signature, moment, body)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"event": "processed"}, MailEventKind.ACCEPTED),
        ({"event": "delivered"}, MailEventKind.DELIVERED),
        ({"event": "deferred"}, MailEventKind.DEFERRED),
        ({"event": "bounce", "type": "bounce"}, MailEventKind.BOUNCED),
        ({"event": "bounce", "type": "blocked"}, MailEventKind.SOFT_BOUNCED),
        ({"event": "dropped", "reason": "Bounced Address"}, MailEventKind.BOUNCED),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, MailEventKind.COMPLAINED),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, MailEventKind.UNSUBSCRIBED),
        ({"event": "dropped", "reason": "Spam Content"}, MailEventKind.SOFT_BOUNCED),
        ({"event": "spamreport"}, MailEventKind.COMPLAINED),
        ({"event": "unsubscribe"}, MailEventKind.UNSUBSCRIBED),
        ({"event": "open"}, MailEventKind.OPENED),
        ({"event": "click", "url": "https://x"}, MailEventKind.CLICKED),
    ],
)
def test_what_each_event_means(raw: dict[str, Any], kind: MailEventKind) -> None:
    ((found, _),) = told([{"sg_event_id": "1", "timestamp": 1, "email": "a@b.c", **raw}])
    assert (found.id, found.event.kind, found.event.url) == ("1", kind, raw.get("url", ""))


@pytest.mark.parametrize(
    "events",
    [
        *(None, {}, "x", [None], [[]], [{}]),
        [{"event": "open", "timestamp": 1}],
        [{"event": "unheard_of", "timestamp": 1, "sg_event_id": "1"}],
        [{"event": "open", "timestamp": "x", "sg_event_id": "1"}],
        [{"event": "open", "timestamp": 1e99, "sg_event_id": "1"}],
        [{"event": ["open"], "timestamp": 1, "sg_event_id": "1"}],
    ],
)
def test_what_is_no_event_is_left_out(events: object) -> None:
    assert list(told(events)) == []
