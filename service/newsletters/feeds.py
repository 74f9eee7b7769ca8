"""Issues that were sent, as pages and as Atom (RFC 4287). Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from service.newsletters.composing_rules import article
from service.newsletters.layout import archive_url
from service.newsletters.models import Issue, Newsletter
from service.providers.mail.messages import personal

ATOM = "http://www.w3.org/2005/Atom"
NOBODY: Mapping[str, str] = {"name": ""}
"""What is personal of an issue that anybody reads."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def title(issue: Issue) -> str:
    """Return an issue's subject as anybody reads it."""
    return personal(issue.subject, NOBODY).strip()


def content(issue: Issue) -> str:
    """Return what an issue says as sanitised HTML, with nothing personal in it."""
    return personal(article(issue.content).html, NOBODY, in_html=True)


def atom(newsletter: Newsletter, issues: Sequence[Issue], base_url: str) -> bytes:
    """Return the issues of a newsletter, newest first, as an Atom document."""
    ET.register_namespace("", ATOM)
    home = f"{base_url}/newsletters/{newsletter.slug}"
    root = ET.Element(f"{{{ATOM}}}feed")
    _add(root, "id", f"{home}/archive")
    _add(root, "title", newsletter.name)
    _add(root, "updated", _rfc3339(_sent(issues[0]) if issues else newsletter.created_at))
    _add(root, "link", rel="alternate", type="text/html", href=f"{home}/archive")
    _add(root, "link", rel="self", type="application/atom+xml", href=f"{home}/feed.atom")
    _add(_add(root, "author"), "name", newsletter.sender_name or newsletter.name)
    for issue in issues:
        entry = _add(root, "entry")
        _add(entry, "id", f"urn:uuid:{issue.id}")
        _add(entry, "title", title(issue))
        _add(entry, "published", _rfc3339(_sent(issue)))
        _add(entry, "updated", _rfc3339(_sent(issue)))
        url = archive_url(base_url, newsletter.slug, issue.number)
        _add(entry, "link", rel="alternate", type="text/html", href=url)
        _add(entry, "content", content(issue), type="html")
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _sent(issue: Issue) -> datetime:
    return issue.sent_at or issue.created_at


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    element.text = None if text is None else _NOT_XML.sub("\ufffd", text)
    return element
