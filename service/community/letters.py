"""The community's mails as they are read: rendered from templates, personal by placeholders."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path

from service.community import figure_rules as rules
from service.community.mail_queries import Shown
from service.providers.mail.messages import personal
from service.providers.mail.rendering import Rendered, render_file

TEMPLATES = Path(__file__).with_name("templates")
GONE = "a former member"
REASON = "You get this mail once a week because you were active in the last seven days."


def welcome_subject(name: str) -> str:
    """Return the subject of a welcome."""
    return f"Welcome, {name}"


def digest_subject(name: str) -> str:
    """Return the subject of a digest."""
    return f"{name}, this was the best of the week"


def sender_name(mail_from: str) -> str:
    """Return whose name is above a mail: that of its sender."""
    return parseaddr(mail_from)[0] or "Almanac"


def welcome(sender: str, name: str, username: str) -> Rendered:
    """Return the mail to a new member.

    Args:
        sender: whose name is above it.
        name: of the member.
        username: likewise.
    """
    values = {
        "subject": welcome_subject(name),
        "sender_name": sender,
        "reason": "You get this mail because you have just been registered with this address.",
        "name": name,
        "username": username,
    }
    return render_file(TEMPLATES, "welcome.mjml", values)


@dataclass(frozen=True, slots=True)
class _Quoted:
    author: str
    content: str
    likes: str
    comments: str


class Digest:
    """The digest of a week. It is rendered once for each number of followed posts, not for each
    member; what is a member's own are placeholders, under names that nobody can guess and post.
    """

    def __init__(self, sender: str, top: Sequence[Shown]) -> None:
        self._sender = sender
        self._top = [_quoted(post) for post in top]
        self._mark = secrets.token_hex(4)
        self._rendered: dict[int, Rendered] = {}

    def to(self, name: str, followed: Sequence[Shown], link: str) -> Rendered:
        """Return one member's mail.

        Args:
            name: of the member.
            followed: what those whom they follow have posted.
            link: by which they leave the digests.
        """
        if len(followed) not in self._rendered:
            self._rendered[len(followed)] = self._render(len(followed))
        rendered = self._rendered[len(followed)]
        values = {self._key("name"): name, self._key("leave"): link}
        for place, post in enumerate(followed):
            quoted = _quoted(post)
            values[self._key("author", place)] = quoted.author
            values[self._key("content", place)] = quoted.content
        return Rendered(
            personal(rendered.html, values, in_html=True), personal(rendered.text, values)
        )

    def _render(self, followed: int) -> Rendered:
        values: Mapping[str, object] = {
            "subject": digest_subject(self._placeholder("name")),
            "sender_name": self._sender,
            "reason": REASON,
            "name": self._placeholder("name"),
            "unsubscribe_url": self._placeholder("leave"),
            "top": self._top,
            "followed": [
                {
                    "author": self._placeholder("author", place),
                    "content": self._placeholder("content", place),
                }
                for place in range(followed)
            ],
        }
        return render_file(TEMPLATES, "digest.mjml", values)

    def _key(self, name: str, place: int = 0) -> str:
        return f"{self._mark}_{name}_{place}"

    def _placeholder(self, name: str, place: int = 0) -> str:
        return f"%{self._key(name, place)}%"


def _quoted(post: Shown) -> _Quoted:
    return _Quoted(
        post.author or GONE,
        rules.excerpt(post.content),
        _counted(post.likes, "like"),
        _counted(post.comments, "comment"),
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
