"""Pure rules of feeds: entries as Atom (RFC 4287) and JSON Feed 1.1."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

ATOM = "http://www.w3.org/2005/Atom"
TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Image:
    """An image of an entry."""

    url: str
    content_type: str
    size: int
    alt: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One published post."""

    id: UUID
    url: str
    text: str
    link: str | None
    published_at: datetime
    images: tuple[Image, ...]

    @property
    def title(self) -> str:
        """The first line, shortened."""
        first = (self.text or self.link or "Image").strip().partition("\n")[0]
        return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of entries, newest first."""

    handle: str
    title: str
    url: str
    entries: Sequence[Entry]
    created_at: datetime

    @property
    def updated_at(self) -> datetime:
        """When the feed last changed."""
        return self.entries[0].published_at if self.entries else self.created_at


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def atom(feed: Feed) -> bytes:
    """Return the feed as an Atom document."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    _add(root, "id", feed.url)
    _add(root, "title", feed.title)
    _add(root, "updated", _rfc3339(feed.updated_at))
    _add(root, "link", rel="alternate", type="text/html", href=feed.url)
    _add(root, "link", rel="self", type="application/atom+xml", href=f"{feed.url}.atom")
    author = _add(root, "author")
    _add(author, "name", feed.title)
    for entry in feed.entries:
        _add_entry(root, entry)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_entry(root: ET.Element, entry: Entry) -> None:
    element = _add(root, "entry")
    _add(element, "id", f"urn:uuid:{entry.id}")
    _add(element, "title", entry.title)
    _add(element, "published", _rfc3339(entry.published_at))
    _add(element, "updated", _rfc3339(entry.published_at))
    _add(element, "link", rel="alternate", type="text/html", href=entry.url)
    if entry.link:
        _add(element, "link", rel="related", href=entry.link)
    for image in entry.images:
        _add(
            element,
            "link",
            rel="enclosure",
            type=image.content_type,
            length=str(image.size),
            href=image.url,
            title=image.alt,
        )
    _add(element, "content", entry.text, type="text")


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    element.text = text
    return element


def json_feed(feed: Feed) -> dict[str, Any]:
    """Return the feed as a JSON Feed document."""
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.url,
        "feed_url": f"{feed.url}.json",
        "items": [_json_item(entry) for entry in feed.entries],
    }


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": str(entry.id),
        "url": entry.url,
        "content_text": entry.text,
        "date_published": _rfc3339(entry.published_at),
    }
    if entry.link:
        item["external_url"] = entry.link
    if entry.images:
        item["attachments"] = [
            {
                "url": image.url,
                "mime_type": image.content_type,
                "size_in_bytes": image.size,
                "title": image.alt,
            }
            for image in entry.images
        ]
    return item
