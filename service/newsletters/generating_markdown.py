"""Markdown that can be trusted: written again from what a parser finds in somebody's Markdown.

Only what is known here comes through: text, emphasis, headings, lists, quotes, code, and links to
known addresses. All else stays as text that means nothing, whatever a reader of it may enable.
"""

import html
import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

_SPECIAL = re.compile(r"[\\`*\[\]<]|~(?=~)|(?<=~)~|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_BEGINNING = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|[>+\-=~|]|\d{1,9}[.)](?=\s|$))", re.MULTILINE)
_ADDRESS = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*://|www\.)[^\s<>]*")
_AFTER = ".,;:!?'\")]}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE = re.compile(r"[^!#$%&'*+,\-./0-9:;=?@A-Z_a-z~\u0080-\U0010ffff]")


class _Parser(MarkdownIt):
    """Reads every link as one: those that stay text could be links to another reader."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Whether this may be a link."""
        return bool(url)


_parser = _Parser("commonmark", {"html": True})


def in_one_line(text: str) -> str:
    """Return a text without ends of lines and other control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def escaped(text: str) -> str:
    """Return a text as Markdown that shows just that, in one line."""
    return _line_starts(_escape(in_one_line(text)))


def link(label: str, url: str) -> str:
    """Return a link of http or https as Markdown."""
    target = re.sub(r"&(?=#?\w+;)", "&amp;", _encoded(url))
    return f"[{_escape(in_one_line(label)) or _escape(_host(url))}]({target})"


def without_addresses(text: str, allowed: Collection[str]) -> str:
    """Take URLs out of a text that are not allowed."""
    return _known_addresses(text, _by_form(allowed))


def cleaned(markdown: str, allowed: Collection[str]) -> str:
    """Write Markdown again, without HTML, pictures, and links to other addresses than these.

    The words of a link that is dropped stay; an address that stands in a text is dropped with it.
    """
    known = _by_form(allowed)
    for _ in range(2):  # what stood around a dropped tag may be an address only once it is gone
        tree = SyntaxTreeNode(_parser.parse(markdown))
        markdown = _blocks(tree.children, known).strip()
    return markdown


Known = Mapping[str, str]
"""The allowed addresses by the form in which they are compared."""


def _by_form(allowed: Collection[str]) -> Known:
    return {_form(url): url for url in allowed if url.startswith(("http://", "https://"))}


def _form(url: str) -> str:
    return _encoded(_parser.normalizeLink(html.unescape(url))).rstrip("/")


def _encoded(url: str) -> str:
    """Percent-encode what ends a link's address in Markdown, and what no URL has."""
    return _UNSAFE.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd[0].encode()), url)


def _blocks(nodes: Sequence[SyntaxTreeNode], known: Known) -> str:
    return "\n\n".join(filter(None, (_block(node, known) for node in nodes)))


def _block(node: SyntaxTreeNode, known: Known) -> str:
    match node.type:
        case "heading":
            text = " ".join(_inlines(node.children, known).split())
            return f"{'#' * int(node.tag[1:])} {text}" if text else ""
        case "bullet_list" | "ordered_list":
            return _list(node, known)
        case "blockquote":
            return _prefixed(_blocks(node.children, known), "> ", "> ")
        case "fence" | "code_block":
            return _code_block(node.content)
        case "hr":
            return "---"
        case "html_block":
            words = html.unescape(nh3.clean(node.content, tags=set()))
            return escaped(_known_addresses(words, known))
        case _:
            return _line_starts(_inlines(node.children, known).strip())


def _list(node: SyntaxTreeNode, known: Known) -> str:
    first = int(node.attrs.get("start", 1))
    inner = [block for item in node.children for block in item.children]
    tight = all(block.hidden for block in inner if block.type == "paragraph")
    items = []
    for number, item in enumerate(node.children, first):
        mark = "- " if node.type == "bullet_list" else f"{number}. "
        blocks = filter(None, (_block(block, known) for block in item.children))
        if text := ("\n" if tight else "\n\n").join(blocks):
            items.append(_prefixed(text, mark, " " * len(mark)))
    return ("\n" if tight else "\n\n").join(items)


def _prefixed(text: str, first: str, others: str) -> str:
    return "\n".join(
        ((others if i else first) + line).rstrip() for i, line in enumerate(text.split("\n"))
    )


def _code_block(content: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return f"{fence}\n{content.rstrip()}\n{fence}"


def _inlines(nodes: Sequence[SyntaxTreeNode], known: Known) -> str:
    return re.sub(" {2,}", " ", "".join(_inline(node, known) for node in nodes))


def _inline(node: SyntaxTreeNode, known: Known) -> str:
    match node.type:
        case "text":
            return _escape(_known_addresses(node.content, known))
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "\\\n"
        case "code_inline":
            return _code(node.content)
        case "html_inline":
            return ""
        case "link":
            return _link(node, known)
    inner = _inlines(node.children, known)
    mark = {"strong": "**", "em": "*"}.get(node.type, "")
    return f"{mark}{inner}{mark}" if inner.strip() == inner and inner else inner


def _link(node: SyntaxTreeNode, known: Known) -> str:
    words = _plain(node.children)
    url = known.get(_form(str(node.attrs.get("href", ""))))
    if url is None:
        return _escape(_known_addresses(words, known))
    return link(_known_addresses(words, {}), url)


def _plain(nodes: Sequence[SyntaxTreeNode]) -> str:
    return "".join(
        _plain(node.children) if node.children else "" if node.type == "html_inline"
        else node.content or " "
        for node in nodes
    )  # fmt: skip


def _code(content: str) -> str:
    text = " ".join(content.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`" if text else ""


def _known_addresses(text: str, known: Known) -> str:
    def judged(found: re.Match[str]) -> str:
        address = found[0].rstrip(_AFTER)
        return found[0] if _form(address) in known else found[0][len(address) :]

    return _ADDRESS.sub(judged, text)


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def _line_starts(text: str) -> str:
    return _BEGINNING.sub(_as_text, text)


def _as_text(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}{mark[:-1]}\\{mark[-1]}" if mark[0].isdigit() else f"{space}\\{mark}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
