"""Mails as they go over the wire: personal, and without lines that nobody wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.providers.mail import messages
from service.providers.mail.contract import Mail, Recipient
from service.providers.mail.failures import MailRefused
from service.providers.mail.messages import build, check_mail, on_wire, personal

ADA = Recipient("1", "ada@example.com", "Ada", {"name": "<Ada>", "url": "https://x.example/?a=1&b"})
HEADERS = {"List-Unsubscribe": "<%url%>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
MAIL = Mail(
    "News <n@example.org>", "Hi %name%", "Hi %name% %other%", "<p>%name% %url%", "", HEADERS
)
BREAKS = ["\n", "\r", "\r\n", "\0", "\u2028", "\x85"]


def test_placeholders_are_replaced_and_escaped() -> None:
    message = build(MAIL, ADA)
    text, html = message.iter_parts()
    assert message["Subject"] == "Hi <Ada>"
    assert text.get_content() == "Hi <Ada> %other%\n", "what has no value stays"
    assert html.get_content() == "<p>&lt;Ada&gt; https://x.example/?a=1&amp;b\n"
    assert message["List-Unsubscribe"] == "<https://x.example/?a=1&b>"


def test_a_value_is_not_looked_into() -> None:
    """Whoever names themselves like a placeholder gets no other value."""
    assert personal("%a% %b%", {"a": "%b%", "b": "secret"}) == "%b% secret"


def test_a_long_link_in_a_header_stays_in_one_piece() -> None:
    """RFC 8058's header is read by programs that know no folding and no encoded words."""
    url = "https://x.example/" + "u" * 500
    wire = on_wire(build(MAIL, Recipient("1", "a@example.com", "", {"url": url})))
    assert f"List-Unsubscribe: <{url}>\r\n".encode() in wire


def test_lines_are_short_and_ascii() -> None:
    """RFC 5321: 998 octets of 7 bit, whatever was written."""
    long = Mail("Ü <n@example.org>", "ü" * 300, "ü" * 5_000, "<p>" + "x" * 5_000)
    wire = on_wire(build(long, Recipient("1", "a@example.com", "Ü" * 100)))
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert b"\n" not in wire.replace(b"\r\n", b"")


@pytest.mark.parametrize("found", BREAKS)
@pytest.mark.parametrize(
    "field", ["sender", "subject", "reply_to", "category", "header", "name_of"]
)
def test_a_header_cannot_be_smuggled_into_a_mail(field: str, found: str) -> None:
    """Refused before anything is opened, and the field is named."""
    evil = f"a@example.org{found}Bcc: all@example.org"
    fields = {"sender": "a@example.org", "subject": "s", "reply_to": "", "category": ""}
    headers = {"X-A": evil} if field == "header" else {evil: "x"} if field == "name_of" else {}
    if field in fields:
        fields[field] = evil
    mail = Mail(text="t", headers=headers, **fields)
    with pytest.raises(MailRefused, match="headers" if headers else field):
        check_mail(mail)


@pytest.mark.parametrize("name", ["From", "to", "BCC", "Subject", "Message-ID", "Content-Type"])
def test_headers_of_ours_are_not_set(name: str) -> None:
    with pytest.raises(MailRefused, match="is set by whoever sends"):
        check_mail(Mail("a@example.org", "s", "t", headers={name: "x"}))


@pytest.mark.parametrize("sender", ["", "nobody", "a@", "@example.org", "a@b c"])
def test_a_sender_is_an_address(sender: str) -> None:
    with pytest.raises(MailRefused, match="sender"):
        check_mail(Mail(sender, "s", "t"))


@pytest.mark.parametrize("found", BREAKS)
def test_a_recipient_cannot_smuggle_either(found: str) -> None:
    """Of one recipient the name or a value is bad: that mail is refused, with the field."""
    with pytest.raises(ValueError, match="name must be one line"):
        build(MAIL, Recipient("1", "a@example.com", f"A{found}Bcc: x"))
    with pytest.raises(ValueError, match="subject must be one line"):
        build(MAIL, Recipient("1", "a@example.com", "", {"name": f"A{found}Bcc: x"}))


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=200))
def test_no_text_makes_another_header(name: str, subject: str, text: str) -> None:
    """Whatever is in name, subject or body, the headers are those that were written."""
    mail = Mail("a@example.org", subject, text)
    try:
        check_mail(mail)
        wire = on_wire(build(mail, Recipient("1", "b@example.com", name)))
    except (MailRefused, ValueError):
        return
    head = wire.split(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    names = [line.split(b":")[0].decode() for line in head.split(b"\r\n")]
    assert names[:5] == ["From", "To", "Subject", "Date", "Message-ID"]
    assert set(names[5:]) <= {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


def test_a_sender_of_another_script() -> None:
    assert messages.sender_address(Mail("Ü <n@münchen.example>", "s", "t")).isascii()
