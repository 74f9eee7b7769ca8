"""What a mail says without HTML: headings, lists, and links as "text (url)"."""

import re
import textwrap
from html.parser import HTMLParser

import nh3

COLUMNS = 78
_BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "body", "center", "div", "dl", "dd", "dt", "footer"),
        *("form", "header", "main", "ol", "p", "pre", "section", "table", "tbody", "td", "th"),
        *("tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6", "li", "hr", "figure", "figcaption"),
    )
)
_APART = frozenset(("p", "ul", "ol", "table", "blockquote", "pre", "h1", "h2", "h3", "h4", "hr"))
"""Blocks that an empty line stands before."""
_UNREAD = {"style", "script", "title", "template", "noscript", "svg"}
_VOID = frozenset(("br", "hr", "img"))
_READ = {*_BLOCKS, *_VOID, "a"}
_ATTRIBUTES = {"*": {"style"}, "a": {"href"}, "img": {"alt"}}
DEEPEST = 8
"""Lists in lists that are indented."""
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)[^>]{0,4000}>")
_CLOSED_BY_THE_NEXT = frozenset(("p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody"))
_EMPTY = _VOID | {"meta", "link", "input", "col", "area", "base", "wbr", "source", "embed"}
MAX_DEPTH = 250
"""Elements in elements: more is no mail, and parsers take the square of it, or all of the stack."""
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_GAP = re.compile(r"\n{3,}")
_SHOWN = ("http://", "https://", "mailto:", "%")
"""How links begin that a reader can follow; placeholders become some."""


def nesting_problem(markup: str) -> str | None:
    """Say that HTML or MJML is nested too deep to be read; None when it is not."""
    depth = 0
    for found in _TAG.finditer(markup):
        name = found[2].lower()
        if name in _EMPTY or name in _CLOSED_BY_THE_NEXT or found[0].endswith("/>"):
            continue
        depth = max(0, depth - 1) if found[1] else depth + 1
        if depth > MAX_DEPTH:
            line = markup.count("\n", 0, found.start()) + 1
            return f"has elements more than {MAX_DEPTH} deep in each other (line {line})"
    return None


def plain_text(html: str) -> str:
    """Return an HTML mail as text of 78 columns; hidden parts are left out.

    It reads any HTML, well formed or not, in time that grows as its length.

    Raises:
        ValueError: it is nested too deep; the text is to be read after the field's name.
    """
    if problem := nesting_problem(html):
        raise ValueError(problem)
    reader = _Reader()
    # Made well formed first: Python's parser takes the square of the length for some that is not.
    reader.feed(nh3.clean(html, _READ, _UNREAD, _ATTRIBUTES, link_rel=None))
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Collects paragraphs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._words = ""
        self._unread: tuple[str, int] | None = None
        """The element that is not read, and how many of its name are open."""
        self._link: tuple[str, int] | None = None
        """Address of the open link, and where in the words its text begins."""
        self._lists: list[int] = []
        """Number of each open list's next item; 0 has none."""
        self._item = ""
        self._heading = ""
        self._as_written = False

    def text(self) -> str:
        """Return what was read."""
        self._end_paragraph()
        return _GAP.sub("\n\n", "\n".join(self._lines)).strip("\n") + "\n" if self._lines else ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unread:
            name, depth = self._unread
            self._unread = (name, depth + (tag == name))
            return
        named = dict(attrs)
        if _HIDDEN.search(named.get("style") or ""):
            self._unread = None if tag in _VOID else (tag, 1)
            return
        if tag in _BLOCKS:
            self._begin_block(tag)
        if tag == "br":
            self._words += "\n"
        elif tag == "img" and (named.get("alt") or "").strip():
            self._words += f"[{(named['alt'] or '').strip()}]"
        elif tag == "a":
            self._link = (named.get("href") or "", len(self._words))
        elif tag == "hr":
            self._lines.append("-" * COLUMNS)

    def _begin_block(self, tag: str) -> None:
        self._end_paragraph()
        if tag in _APART and not (tag in {"ul", "ol"} and self._lists):
            self._blank()
        if tag in {"ul", "ol"}:
            self._lists.append(int(tag == "ol"))
        elif tag == "li":
            number = self._lists[-1] if self._lists else 0
            self._item = f"{number}. " if number else "- "
            if number:
                self._lists[-1] += 1
        elif tag in {"h1", "h2"}:
            self._heading = "=" if tag == "h1" else "-"
        self._as_written = tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._unread:
            name, depth = self._unread
            depth -= tag == name
            self._unread = (name, depth) if depth else None
            return
        if tag == "a" and self._link:
            self._end_link(*self._link)
        if tag in _BLOCKS:
            self._end_paragraph()
            if tag in {"ul", "ol"} and self._lists:
                self._lists.pop()
            if tag in _APART and not self._lists:
                self._blank()

    def _end_link(self, address: str, begin: int) -> None:
        self._link = None
        said = self._words[begin:].strip()
        if address.startswith(_SHOWN) and address not in {said, f"mailto:{said}"}:
            self._words += f" ({address})" if said else address

    def handle_data(self, data: str) -> None:
        if self._unread:
            return
        if not self._as_written:
            data = _SPACE.sub(" ", data)
            if self._words.endswith((" ", "\n")) or not self._words:
                data = data.lstrip(" ")
        self._words += data

    def _blank(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def _end_paragraph(self) -> None:
        words, self._words = self._words, ""
        if self._link:
            self._link = (self._link[0], 0)
        if not words.strip():
            return
        indent = "  " * min(DEEPEST, max(0, len(self._lists) - 1))
        begin = indent + self._item
        rest = " " * len(begin) if self._item else indent
        self._item = ""
        written: list[str] = []
        for line in words.strip("\n").split("\n"):
            written += self._wrapped(line, begin if not written else rest, rest)
        self._lines += written
        if self._heading:
            self._lines.append(self._heading * min(COLUMNS, max(map(len, written))))
            self._heading = ""

    def _wrapped(self, line: str, begin: str, rest: str) -> list[str]:
        if self._as_written:
            return [begin + line]
        return textwrap.wrap(
            line,
            COLUMNS,
            initial_indent=begin,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
