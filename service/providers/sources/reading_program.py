"""A program of its own: reads a feed or a page, as it came from a server, into articles.

Apart from the server because the readers of strangers' files take a second of CPU for a large one,
and because a file made to stall them, or to fill the memory, then ends nothing but this. Standard
input has a line of JSON (`url`, `content_type`, `most_articles`, `most_text`) and then the file;
the output is JSON: `title` and `articles`, or `refused`, a reason. It imports nothing of Almanac's.
"""

import calendar
import io
import json
import re
import resource
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser  # type: ignore[import-untyped] # it has no types
import trafilatura

MOST_MEMORY = 1 << 30
MOST_SECONDS = 25
"""Of CPU."""
MOST_TITLE = 300
_BLOCKS = frozenset(
    ("p", "div", "br", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "section", "article")
) | {f"h{level}" for level in range(1, 7)}
_HIDDEN = frozenset({"script", "style", "template", "noscript", "iframe", "head"})
_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


class Refused(Exception):
    """There is nothing to write from."""


class _Text(HTMLParser):
    """Collects the text of HTML that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            self._hidden.remove(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain(html: str) -> str:
    """Return the text of HTML, or of a text, a paragraph a line."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return _CONTROL.sub("", "\n".join(filter(None, lines)))


def shortened(text: str, most: int) -> str:
    """Cut a text at the end of a word."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(None, 1)[0] + "…"


def read(body: bytes, about: dict[str, Any]) -> dict[str, Any]:
    """Return title and articles of a file; raise Refused where it has none."""
    if not body.strip():
        raise Refused("is empty")
    found = _json_feed(body) or (None if _PAGE.match(body[:5_000]) else _feed(body, about))
    if found is None:
        found = _page(body, about)
    articles = [
        {
            "title": shortened(plain(entry["title"]).replace("\n", " "), MOST_TITLE),
            "url": _link(about["url"], entry["url"]),
            "published": entry["published"],
            "text": shortened(plain(entry["text"]), about["most_text"]),
        }
        for entry in _newest(found["articles"], about["most_articles"])
    ]
    articles = [article for article in articles if article["title"] or article["text"]]
    if not articles:
        raise Refused("has no entries with a text")
    title = shortened(plain(found["title"]).replace("\n", " "), MOST_TITLE)
    return {"title": title, "articles": articles}


def _newest(entries: Iterable[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the newest, those without a date last, in their own order."""
    return sorted(entries, key=lambda entry: entry["published"] or "", reverse=True)[:most]


def _link(base: str, link: str) -> str:
    """Return an absolute link of http or https; anything else is the source's own."""
    try:
        found = urljoin(base, link.strip())
        parts = urlsplit(found)
    except ValueError:
        return base
    odd = any(character.isspace() or ord(character) < 32 for character in found)
    usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    return found if usable and not odd and len(found) <= 2_048 else base


def _feed(body: bytes, about: dict[str, Any]) -> dict[str, Any] | None:
    """Read RSS or Atom; None: it is neither."""
    found = feedparser.parse(
        io.BytesIO(body),
        response_headers={"content-type": about["content_type"], "content-location": about["url"]},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not found.version and not found.entries:
        return None
    entries = [
        {
            "title": str(entry.get("title", "")),
            "url": str(entry.get("link", "")),
            "published": _instant(entry.get("published_parsed") or entry.get("updated_parsed")),
            "text": max((_texts(entry)), key=len),
        }
        for entry in found.entries
    ]
    return {"title": str(found.feed.get("title", "")), "articles": entries}


def _texts(entry: Any) -> list[str]:
    contents = [str(content.get("value", "")) for content in entry.get("content", ())]
    return [*contents, str(entry.get("summary", ""))]


def _instant(parsed: Any) -> str | None:
    """Write feedparser's time, which is UTC, as ISO 8601; a date that cannot be is none."""
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat() if parsed else None
    except (ValueError, OverflowError, TypeError):
        return None


def _json_feed(body: bytes) -> dict[str, Any] | None:
    """Read a JSON Feed (https://www.jsonfeed.org/version/1.1/); None: it is none."""
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Refused("looks like JSON, but is none") from None
    if "jsonfeed.org/version/" not in str(found.get("version")):
        raise Refused("is JSON, but no JSON Feed")
    items = found.get("items")
    entries = [
        {
            "title": str(item.get("title") or ""),
            "url": str(item.get("url") or item.get("external_url") or ""),
            "published": _iso(item.get("date_published") or item.get("date_modified")),
            "text": str(
                item.get("content_html") or item.get("content_text") or item.get("summary") or ""
            ),
        }
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
    ]
    return {"title": str(found.get("title") or ""), "articles": entries}


def _iso(text: object) -> str | None:
    try:
        found = datetime.fromisoformat(str(text))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def _page(body: bytes, about: dict[str, Any]) -> dict[str, Any]:
    """Read the main text of a page."""
    tree = trafilatura.load_html(body)
    text = None
    if tree is not None:
        text = trafilatura.extract(tree, include_comments=False, include_tables=False)
    if not text:
        raise Refused("is neither a feed nor a page with a text; name the address of its feed")
    about_it = trafilatura.extract_metadata(tree, default_url=about["url"])
    title, site = about_it.title, about_it.sitename
    entry = {
        "title": title or "",
        "url": about["url"],
        "published": _iso(about_it.date),
        # It is a text by now: what looks like a tag in it stays.
        "text": text.replace("&", "&amp;").replace("<", "&lt;"),
    }
    return {"title": site or title or "", "articles": [entry]}


def limit() -> None:
    """Let this process have no more than it needs."""
    for kind, most in ((resource.RLIMIT_AS, MOST_MEMORY), (resource.RLIMIT_CPU, MOST_SECONDS)):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # this system has no such limit: its parent has one of time
            continue


def main() -> None:
    """Read what stands in the input; write what is found."""
    limit()
    about = json.loads(sys.stdin.buffer.readline())
    try:
        answer = read(sys.stdin.buffer.read(), about)
    except Refused as error:
        answer = {"refused": str(error)}
    except (MemoryError, RecursionError):
        answer = {"refused": "takes too much memory to read"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
