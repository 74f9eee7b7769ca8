"""Templates: what they make, and that hostile ones end in a clear refusal within two seconds."""

import time
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from markupsafe import Markup

from service.providers.mail.plain_text import plain_text
from service.providers.mail.rendering import TemplateRefused, render, render_file

FRAME = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"
    "</mj-body></mjml>"
)
VALUES: dict[str, Any] = {
    "name": "<Ada>",
    "items": list(range(1_000)),
    "long": "y" * 1_000,
    "huge": "z" * 480_000,
    "facts": {"a": 1},
    "deep": Markup("<div>" * 400),
}


def framed(inside: str) -> str:
    """Return MJML with this text in it."""
    return FRAME.replace("{}", inside)


def test_values_are_escaped_and_html_is_put_in() -> None:
    """Whoever's name is a tag stays a name; HTML need not be well-formed XML."""
    page = render(framed("Hi {{ name }} {{ body }}"), {**VALUES, "body": Markup("<b>x<br>y</b>")})
    assert "Hi &lt;Ada&gt; <b>x<br>y</b>" in page.html
    assert page.text == "Hi <Ada> x\ny\n"


def test_styles_are_inline() -> None:
    style = "<mj-head><mj-style>.a b { color: #010203; }</mj-style></mj-head><mj-body>"
    page = render(
        framed("<b>x</b>")
        .replace("<mj-body>", style)
        .replace("<mj-text>", "<mj-text css-class='a'>"),
        {},
    )
    (bold,) = BeautifulSoup(page.html, "html.parser").find_all("b")
    assert "#010203" in str(bold["style"])
    assert "@media" in page.html, "what cannot be inline stays"


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("{{ ''.__class__ }}", "line 1: access to attribute '__class__'"),
        ("{{ facts.get.__self__ }}", "line 1: access to attribute '__self__'"),
        ("{{ facts['__class__'] }}", "line 1: access to attribute '__class__'"),
        ("{{ name|attr('__class__') }}", "line 1: No filter named 'attr'"),
        ("\n{% for i in range(10**9) %}{% endfor %}", "line 2: only get"),
        ("{% for a in items %}{% for b in items %}{% endfor %}{% endfor %}", "20,000 turns"),
        ("{% for a in items recursive %}{% endfor %}", "not recursive"),
        ("\n\n{% include '/etc/passwd' %}", "line 3: 'include' is not known"),
        ("{% import 'x' as y %}", "'import' is not known"),
        ("{% extends 'x' %}", "'extends' is not known"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: "),
        ("{% filter upper %}x{% endfilter %}", "'filterblock' is not known"),
        ("{{ 'a' * 10**9 }}", "'mul' is not known"),
        ("{{ '%999999999d' % 1 }}", "'mod' is not known"),
        ("{{ 'a'.ljust(10**9) }}", "only get"),
        ("{{ lipsum() }}", "only get"),
        ("{{ items|join(long) }}{{ items|join(long)|length }}", "longer than 500,000"),
        ("{% set x = long %}" + "{% set x = x ~ x %}" * 60, "larger than 500,000"),
        ("{{ huge }}" * 5, "more than 2,000,000 characters"),
        ("{{ nobody }}", "line 1: 'nobody' is undefined"),
        ("\n{{ facts.b }}", "line 2: 'dict object' has no attribute 'b'"),
        ("{% if %}", "line 1: Expected an expression"),
        ("{{ " + "(" * 5_000 + ")" * 5_000 + " }}", "nested too deep"),
        ("{% for a in items %}" * 50 + "{% endfor %}" * 50, "nested too deep"),
        ("{{ name }}" * 9_000, "8,000 parts"),
        ("{{ _tick }}", "the name _tick is taken"),
        ("{{ -name }}", "line 1: bad operand type"),
        ("{{ long|truncate(1) }}", "line 1: "),
        ("{{ facts|round }}", "line 1: "),
        ("{% if 1 is divisibleby 0 %}{% endif %}", "line 1: "),
        ("{{ items.append(1) }}", "only get"),
        ("{{ deep }}", "250 deep"),
        ("<div>" * 300, "250 deep"),
        ("<style>" + "a{}" * 600 + "</style>", "500 rules"),
        ("<p>a</p", "malformed"),
        ("</mj-text>", "malformed"),
        ("a" * 200_001, "200,000 characters"),
    ],
)
def test_a_hostile_template_is_refused(inside: str, says: str) -> None:
    """It names the line where there is one, and takes no more than two seconds."""
    began = time.monotonic()
    with pytest.raises(TemplateRefused) as refused:
        render(framed(inside), VALUES)
    assert time.monotonic() - began < 2
    assert says in str(refused.value)


def test_nothing_is_included_by_mjml_either() -> None:
    with pytest.raises(TemplateRefused, match="include"):
        render("<mjml><mj-body><mj-include path='/etc/passwd' /></mj-body></mjml>", {})
    inside = render(framed("<mj-include path='/etc/passwd' />"), {})
    assert "root:" not in inside.html


def test_loops_and_choices() -> None:
    inside = (
        "{% for k, v in facts.items() %}{{ k }}={{ v }}{% if loop.last %}.{% endif %}{% endfor %}"
    )
    assert render(framed(inside), VALUES).text == "a=1.\n"


def test_the_layout_of_our_own_mails(tmp_path: Path) -> None:
    """The base has a header, the content, why one gets it, and how one gets no more."""
    content = "<mj-text><h1>Welcome, {{ name }}</h1>{{ body }}</mj-text>"
    block = "{% extends 'base.mjml' %}{% block content %}" + content + "{% endblock %}"
    (tmp_path / "welcome.mjml").write_text(block)
    values = {
        "subject": "Welcome",
        "sender_name": "Almanac",
        "name": "A & B",
        "body": Markup("<p>Hello<br>there <a href='https://x.example'>x</a></p>"),
        "reason": "You joined.",
        "unsubscribe_url": "%unsubscribe_url%",
        "postal_address": "1 Example Street",
    }
    page = render_file(tmp_path, "welcome.mjml", values)
    assert page.text.splitlines() == [
        *(
            "Almanac",
            "",
            "Welcome, A & B",
            "==============",
            "",
            "Hello",
            "there x (https://x.example)",
            "",
        ),
        *("You joined.", "Unsubscribe (%unsubscribe_url%)", "1 Example Street"),
    ]
    assert 'href="%unsubscribe_url%"' in page.html
    assert "prefers-color-scheme: dark" in page.html
    assert "color: #1d4ed8" in page.html, "styles reach the HTML that was put in"
    assert "@import" not in page.html, "nothing is fetched from elsewhere by who reads it"


def test_text_of_html() -> None:
    """Headings, lists, links; hidden parts and comments are left out; 78 columns."""
    html = (
        "<head><title>No</title><style>no</style></head><!-- no --><h1>Head</h1>"
        '<div style="display:none">no<div>no</div></div>'
        f"<p>See <a href='https://x.example'>this</a> {'word ' * 30}</p>"
        "<ul><li>one<li>two<ul><li>in</ul></ul><ol><li>a</li><li>b</li></ol>"
        "<a href='mailto:a@b.example'>a@b.example</a><script>no</script>"
    )
    text = plain_text(html)
    assert max(map(len, text.splitlines())) <= 78
    assert text.splitlines()[:4] == [
        "Head",
        "====",
        "",
        f"See this (https://x.example) {'word ' * 10}".rstrip(),
    ]
    assert text.endswith("- one\n- two\n  - in\n\n1. a\n2. b\n\na@b.example\n")


@pytest.mark.parametrize(
    "html",
    [
        *("<" * 100_000, "<a " * 50_000, "<!--" * 20_000, "&" * 100_000, "x" * 1_000_000),
        *("<p>" * 20_000, "<p style='display:none'>" * 20_000, "a<br>" * 20_000, "</x>" * 20_000),
    ],
)
def test_any_html_is_read_in_time(html: str) -> None:
    began = time.monotonic()
    plain_text(html)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("html", ["<div>" * 300, "<ul>" * 300, "<b>" * 300])
def test_too_deep_html_is_refused(html: str) -> None:
    with pytest.raises(ValueError, match="250 deep"):
        plain_text(html)
