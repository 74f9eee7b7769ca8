"""Markdown written again: only what is known comes through."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from service.newsletters.generating_markdown import cleaned, escaped, link, without_addresses

HOME = "https://ok.example/a?b=1&c=2"
ODD = "https://ok.example/(x)/é*_"
ALLOWED = (HOME, ODD)
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
BARE = re.compile(r"(?:https?://|www\.)[^\s<>]+")
"""What programs that show mails make links of."""
PIECES = st.sampled_from(
    [
        *("<script>alert(1)</script>", "<img src=x onerror=y>", "<!-- ", "<div>\n", "</div>"),
        *(f"[a]({HOME})", "[b](https://evil.example/x)", "[c](javascript:alert(1))", "[r]"),
        *(
            "![p](https://evil.example/p.png)",
            "<https://evil.example>",
            "\n\n[r]: http://e.example",
        ),
        *("https://evil.example/y", "www.evil.example", HOME, f"<{HOME}>", f"[o](<{ODD}>)"),
        *("# ", "\n- ", "\n1. ", "\n> ", "**", "*", "_", "`", "```\n", "\n\n", "\n", "    ", "\\"),
        *("&lt;b&gt;", "&amp;", "&#60;", "[", "](", ")", "<", ">", "===\n", "---\n", "|a|b|", "~~"),
        *("word", " and ", "é", "中文", "\t", "data:text/html,x", "vbscript:x", "http://[::1", "]"),
    ]
)


def found_in(markdown: str) -> tuple[set[str], set[str]]:
    """Return the links, and the kinds of tokens that are never to be there."""
    links, odd = set(), set()
    for block in READER.parse(markdown):
        for token in (block, *(block.children or ())):
            if token.type in {"html_inline", "html_block", "image"}:
                odd.add(token.type)
            if token.type == "text":
                links |= {bare.rstrip(".,;:!?'\")]}|") for bare in BARE.findall(token.content)}
            if token.type == "link_open":
                links.add(str(token.attrs["href"]))
    return links, odd


def test_what_comes_through() -> None:
    """T001: structure stays; HTML, pictures and other addresses go, the words of links stay."""
    markdown = (
        "# Hi <b>you</b>\n\n"
        f"A [good]({HOME}), [bad](https://evil.example) and ![pic](https://evil.example/x.png) "
        "<script>alert(1)</script>[j](javascript:alert(1)) https://evil.example/z. snake_case\n\n"
        "- one\n- **two**\n  - *three*\n\n3. a\n4. b\n\n> quote\n\n```py\nx = '<b>'\n```\n\n"
        "<div>\nblock *x*\n</div>\n\nend `a<b` 2*3\n\n***\n\n[r]\n\n[r]: https://evil.example\n"
    )
    assert cleaned(markdown, ALLOWED) == (
        "# Hi you\n\n"
        f"A [good]({HOME}), bad and pic alert(1)j . snake_case\n\n"
        "- one\n- **two**\n  - *three*\n\n3. a\n4. b\n\n> quote\n\n```\nx = '<b>'\n```\n\n"
        "block \\*x\\*\n\nend `a<b` 2\\*3\n\n---\n\nr"
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_html_and_no_other_links(markdown: str) -> None:
    """T001: whatever a model writes, a reader that knows more than ours finds nothing else in it.

    And writing it once more allows no more.
    """
    once = cleaned(markdown, ALLOWED)
    for text in (once, cleaned(once, ALLOWED)):
        links, odd = found_in(text)
        assert odd == set()
        assert links <= {HOME, ODD, "https://ok.example/%28x%29/%C3%A9*_"}


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map("".join)))
def test_a_text_shows_as_it_is(text: str) -> None:
    """A title of a stranger's feed is a text, whatever it looks like."""
    shown = READER.parse(escaped(text))
    kinds = {token.type for block in shown for token in (block, *(block.children or ()))}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "link_open",
                     "link_close"}  # fmt: skip
    links, odd = found_in(link(text, HOME))
    assert odd == set()
    assert HOME in links


def test_addresses_in_a_subject() -> None:
    """A subject has no address that its sources do not have."""
    text = "Read https://evil.example/a, www.evil.example! and this"
    assert without_addresses(text, ()) == "Read ,! and this".replace(",!", ", !")
    assert without_addresses(f"Read {HOME}.", ALLOWED) == f"Read {HOME}."
