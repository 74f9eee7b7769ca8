"""How platforms count the length of a text.

- `characters`: Unicode code points.
- `graphemes`: extended grapheme clusters (UAX #29), what a reader calls a character. Bluesky.
- `mastodon`: graphemes, but a URL counts a fixed number and of a remote mention only the local
  part counts (Mastodon's StatusLengthValidator).
- `weighted`: X's twitter-text, configuration 3: most Latin, Greek, Cyrillic, Hebrew and Arabic
  characters count 1, all others and every emoji sequence 2, a URL a fixed number.
- `utf16`: code units of UTF-16, so that most emoji count 2. TikTok.
- `threads`: code points, but an emoji counts its bytes in UTF-8
  (https://developers.facebook.com/docs/threads/posts).
"""

import unicodedata
from collections.abc import Callable

import regex

from service.platforms.entities import (
    X_LINK,
    Span,
    has_public_host,
    links,
    without_mention_servers,
)

_EMOJI = regex.compile(
    r"(?![©®])\p{Extended_Pictographic}(?!\ufe0e)|[©®]\ufe0f|\p{RI}\p{RI}|[0-9#*]\ufe0f?\u20e3"
)
_LIGHT = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))


def length(text: str, unit: str, url_units: int | None = None) -> int:
    """Return the length of `text` in a unit; `url_units` is what each URL counts, if fixed."""
    return UNITS[unit](text, url_units)


def byte_length(text: str) -> int:
    """Return the length in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def graphemes(text: str) -> list[str]:
    """Split a text into what a reader calls characters."""
    clusters: list[str] = regex.findall(r"\X", text)
    return clusters


def _characters(text: str, url_units: int | None) -> int:
    rest, fixed = _without_urls(text, links(text), url_units)
    return len(rest) + fixed


def _graphemes(text: str, url_units: int | None) -> int:
    rest, fixed = _without_urls(text, links(text), url_units)
    return len(graphemes(rest)) + fixed


def _mastodon(text: str, url_units: int | None) -> int:
    rest, fixed = _without_urls(text, links(text), url_units)
    return len(graphemes(without_mention_servers(rest))) + fixed


def _weighted(text: str, url_units: int | None) -> int:
    text = unicodedata.normalize("NFC", text)
    rest, fixed = _without_urls(text, links(text, X_LINK), url_units)
    return sum(map(_weight, graphemes(rest))) + fixed


def _utf16(text: str, url_units: int | None) -> int:
    rest, fixed = _without_urls(text, links(text), url_units)
    return len(rest.encode("utf-16-le", "surrogatepass")) // 2 + fixed


def _threads(text: str, url_units: int | None) -> int:
    rest, fixed = _without_urls(text, links(text), url_units)
    counts = (byte_length(c) if _EMOJI.search(c) else len(c) for c in graphemes(rest))
    return sum(counts) + fixed


def _weight(cluster: str) -> int:
    if _EMOJI.search(cluster):
        return 2
    return sum(1 if any(low <= ord(c) <= high for low, high in _LIGHT) else 2 for c in cluster)


def _without_urls(text: str, urls: list[Span], url_units: int | None) -> tuple[str, int]:
    """Cut the URLs of fixed length out, leaving a control character so that nothing joins up."""
    if url_units is None:
        return text, 0
    counted = [url for url in urls if has_public_host(url.text)]
    for url in reversed(counted):
        text = f"{text[: url.start]}\0{text[url.end :]}"
    return text, len(counted) * (url_units - 1)


UNITS: dict[str, Callable[[str, int | None], int]] = {
    "characters": _characters,
    "graphemes": _graphemes,
    "mastodon": _mastodon,
    "weighted": _weighted,
    "utf16": _utf16,
    "threads": _threads,
}
