"""From Markdown to HTML that a mail may carry, and its links made countable. Pure."""

import html
import re
from dataclasses import dataclass, field

import nh3
from markdown_it import MarkdownIt

TAGS = frozenset(
    (
        *("a", "abbr", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4"),
        *("hr", "i", "img", "li", "ol", "p", "pre", "s", "small", "strong", "sub", "sup"),
        *("table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
    )
)
"""What mail programs show and nobody can do harm with."""
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
}
SCHEMES = ("http://", "https://")
_HREF = re.compile(r'(<a\b[^>]*?\bhref=")([^"]*)(")')
_PLACEHOLDER = re.compile(r"%[a-z_]+%")
_parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@dataclass(frozen=True, slots=True)
class Article:
    """What an issue says, as HTML.

    Attributes:
        html: sanitised.
        links: addresses whose clicks are counted, in their order.
    """

    html: str
    links: list[str] = field(default_factory=list)


def article(markdown: str, *, count_clicks: bool = False) -> Article:
    """Return Markdown as HTML without scripts, styles, forms and addresses of other schemes.

    Args:
        markdown: by a person or a model; HTML within it is kept as far as it is harmless.
        count_clicks: whether links lead over `%click_url%`. Those to several readers' own places,
            with a placeholder in them, never do.
    """
    clean = nh3.clean(
        _parser.render(markdown.replace("\0", "\ufffd")),
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        attribute_filter=_kept,
        link_rel=None,
    )
    return _counted(clean) if count_clicks else Article(clean)


def _kept(_: str, name: str, value: str) -> str | None:
    """Keep an attribute; addresses relative to a page lead nowhere in a mail."""
    address = value.strip().lower()
    if name == "src" and not address.startswith(SCHEMES):
        return None
    if name == "href" and not address.startswith((*SCHEMES, "mailto:")):
        return None
    return value


def _counted(clean: str) -> Article:
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        url = html.unescape(found[2])
        if not url.lower().startswith(SCHEMES) or _PLACEHOLDER.search(url):
            return found[0]
        return f"{found[1]}%click_url%/{numbers.setdefault(url, len(numbers) + 1)}{found[3]}"

    return Article(_HREF.sub(number, clean), list(numbers))
