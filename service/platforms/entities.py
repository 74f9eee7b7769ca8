"""Links, mentions and hashtags in a text, as code point spans."""

from collections.abc import Iterator
from dataclasses import dataclass

import regex

_LINK_START = r"(?<![A-Za-z0-9@$#\uff20\uff03])https?://"
LINK = regex.compile(rf'{_LINK_START}[^\s<>"]+', regex.IGNORECASE)
X_LINK = regex.compile(
    rf"{_LINK_START}[A-Za-z0-9À-ɏЀ-ӿ!*'();:=+,.$/%#\[\]\-\u2013_~@|&?]+", regex.IGNORECASE
)
"""X ends a URL where another script begins: CJK text may follow it without a space."""

_HOST = regex.compile(r"https?://([^/?#:]+)", regex.IGNORECASE)
_PUBLIC_HOST = regex.compile(r"(?:[^.]+\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]+)", regex.IGNORECASE)
_TRAILING = ".,;:!?'\"\u201d\u2019\u00bb\u2026*"
_BRACKETS = {")": "(", "]": "[", "}": "{"}

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_TOP_LABEL = r"[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HANDLE = regex.compile(rf"(?<=^|\s|\()@(?:{_LABEL}\.)+{_TOP_LABEL}(?![\w.-]*\w)")
"""A Bluesky mention: `@` and a domain name (https://atproto.com/specs/handle)."""

_REMOTE_MENTION = regex.compile(
    r"(?<![=/\w])@([a-z0-9_]+(?:[.-]+[a-z0-9_]+)*)@\w+(?:[.-]+\w+)*", regex.IGNORECASE
)
"""A Mastodon mention of an account on another server."""

_TAG_START = r"[\p{L}\p{Emoji_Presentation}\p{Emoji_Modifier_Base}\p{Extended_Pictographic}]"
_TAG = regex.compile(rf"(?<=^|\s)#{_TAG_START}(?:{_TAG_START}|[\d_\-\u200d\ufe0f])*")
MAX_TAG = 64


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: code points `start` to `end`, exclusive."""

    start: int
    end: int
    text: str


def links(text: str, pattern: "regex.Pattern[str]" = LINK) -> list[Span]:
    """Find http(s) URLs, without the punctuation that ends a sentence or a bracket."""
    found = []
    for match in pattern.finditer(text):
        url = _without_trailing(match.group())
        if _HOST.match(url):
            found.append(Span(match.start(), match.start() + len(url), url))
    return found


def _without_trailing(url: str) -> str:
    while url:
        last = url[-1]
        unmatched = last in _BRACKETS and url.count(last) > url.count(_BRACKETS[last])
        if last not in _TRAILING and not unmatched:
            break
        url = url[:-1]
    return url


def has_public_host(url: str) -> bool:
    """Tell whether a URL's host has a top-level domain: platforms link and count only those."""
    host = _HOST.match(url)
    return bool(host and _PUBLIC_HOST.fullmatch(host.group(1).rstrip(".")))


def handle_mentions(text: str) -> list[Span]:
    """Find mentions of domain-name handles such as `@alice.bsky.social`, the `@` included."""
    return list(_spans(_HANDLE, text))


_MENTION = regex.compile(r"(?<![\w@/.])@\w(?:[\w.-]*\w)?")


def mentions(text: str) -> list[Span]:
    """Find mentions in the widest sense, `@` and a name, as networks without servers have them."""
    return list(_spans(_MENTION, text))


def without_mention_servers(text: str) -> str:
    """Shorten `@user@server` to `@user`, as Mastodon counts and shows it."""
    shortened: str = _REMOTE_MENTION.sub(r"@\1", text)
    return shortened


def hashtags(text: str) -> list[Span]:
    """Find hashtags of at most 64 characters, the `#` included."""
    return [span for span in _spans(_TAG, text) if len(span.text) <= MAX_TAG + 1]


def _spans(pattern: "regex.Pattern[str]", text: str) -> Iterator[Span]:
    for match in pattern.finditer(text):
        yield Span(match.start(), match.end(), match.group())
