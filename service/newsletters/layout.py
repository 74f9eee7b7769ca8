"""An issue as it is mailed: rendered once, with placeholders for what is personal."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import Markup

from service.newsletters.composing_rules import article
from service.newsletters.models import Issue, Newsletter
from service.providers.mail.rendering import render

TEMPLATE = (Path(__file__).with_name("templates") / "issue.mjml").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Rendered:
    """An issue as it is mailed.

    Attributes:
        html: with placeholders.
        text: the same without HTML.
        links: addresses whose clicks are counted, in the order of their numbers.
    """

    html: str
    text: str
    links: list[str]


def render_issue(
    issue: Issue, newsletter: Newsletter, base_url: str, *, counted: bool = True
) -> Rendered:
    """Return an issue in its newsletter's layout.

    Args:
        issue: what it says.
        newsletter: how it looks.
        base_url: begins its links.
        counted: whether opens and clicks are, where the newsletter counts them.
    """
    found = article(issue.content, count_clicks=counted and newsletter.count_clicks)
    page = render(
        TEMPLATE,
        {
            "subject": issue.subject,
            "preheader": issue.preheader,
            "newsletter": newsletter.name,
            "number": issue.number,
            "content": Markup(found.html),  # noqa: S704 - sanitised
            "browser_url": archive_url(base_url, newsletter.slug, issue.number)
            if newsletter.public
            else "",
            "postal_address": newsletter.postal_address,
            "count_opens": counted and newsletter.count_opens,
        },
    )
    return Rendered(page.html, page.text, found.links)


def archive_url(base_url: str, slug: str, number: int) -> str:
    """Return where anybody reads an issue of a public newsletter."""
    return f"{base_url}/newsletters/{slug}/archive/{number}"


def list_id(name: str, slug: str, base_url: str) -> str:
    """Return what mail programs know a newsletter by (RFC 2919)."""
    words = "".join(letter for letter in name if letter.isprintable() and letter not in '<>"\\')
    return f'"{words}" <{slug}.{urlsplit(base_url).hostname or "localhost"}>'
