"""Markdown by anybody becomes HTML that does no harm."""

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from service.newsletters.composing_rules import article

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    '<p onclick="alert(1)">a</p>',
    "[a](javascript:alert(1))",
    '<a href="javascript:alert(1)">a</a>',
    '<a href="JaVaScRiPt&colon;alert(1)">a</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">a</a>',
    '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
    '<div style="position:fixed;background:url(javascript:alert(1))">a</div>',
    "<style>*{display:none}</style>",
    '<iframe src="https://evil.example"></iframe><object data="x"></object><embed src="x">',
    '<form action="https://evil.example"><input name="password"></form>',
    '<svg><script>alert(1)</script></svg><math><mi xlink:href="data:x,<script>">',
    '<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=x">',
    "<mj-include path='/etc/passwd'/>{{ ''.__class__ }}",
)


@pytest.mark.parametrize("markdown", HOSTILE)
def test_hostile_markdown_does_nothing(markdown: str) -> None:
    """T083: no script, no handler, no style, no address but http, https and mailto."""
    page = BeautifulSoup(article(markdown).html, "html.parser")
    for tag in page.find_all(True):
        assert tag.name not in {
            *("script", "style", "iframe", "object", "embed", "form", "input", "svg", "math"),
            *("base", "meta", "div", "mj-include"),
        }
        assert not any(name.startswith("on") or name == "style" for name in tag.attrs)
        for name in ("href", "src"):
            address = str(tag.get(name, "https://"))
            assert address.startswith(("http://", "https://", "mailto:"))


@given(st.text(max_size=300) | st.sampled_from(HOSTILE).flatmap(lambda h: st.just(h * 3)))
def test_no_text_makes_a_script(markdown: str) -> None:
    """Whatever is written, what comes out has no script and no handler."""
    page = BeautifulSoup(article(markdown, count_clicks=True).html, "html.parser")
    assert not page.find_all(["script", "style", "iframe"])
    assert not [name for tag in page.find_all(True) for name in tag.attrs if name[:2] == "on"]


def test_links_are_numbered_once() -> None:
    """Two links to one address are one; those that are personal or no pages are left alone."""
    found = article(
        "[a](https://e.com/?x=1&y=2) [b](https://e.com/?x=1&y=2) [c](http://f.example)\n"
        '[m](mailto:a@b.example) <a title="t" href="https://p.example/%name%">p</a>',
        count_clicks=True,
    )
    assert found.links == ["https://e.com/?x=1&y=2", "http://f.example"]
    hrefs = [tag["href"] for tag in BeautifulSoup(found.html, "html.parser").find_all("a")]
    assert hrefs == [
        *("%click_url%/1", "%click_url%/1", "%click_url%/2"),
        *("mailto:a@b.example", "https://p.example/%name%"),
    ]


def test_markdown_is_what_people_expect() -> None:
    """Headings, lists, tables, quotes and code come through."""
    html = article("# A\n\n* b\n* ~~c~~\n\n|d|\n|-|\n|e|\n\n> f\n\n`g`").html
    for piece in ("<h1>A</h1>", "<li>b</li>", "<s>c</s>", "<td>e</td>", "<blockquote>", "<code>g"):
        assert piece in html
