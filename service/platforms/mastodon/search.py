"""Looking for a post among an account's own, when the server no longer knows its key."""

import html
import re
from datetime import timedelta

from service.platforms.contract import Absent, Publication, Published, Unknown
from service.platforms.entities import without_mention_servers
from service.platforms.mastodon.api import PAGE, Api, Status

CLOCK_SKEW = timedelta(minutes=2)
MAX_PAGES = 5

_BREAK = re.compile(r"<br\s*/?>|</p>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


async def find(api: Api, account_id: str, publication: Publication) -> Published | Absent | Unknown:
    """Return the post, if it is there; Absent only when every post since the commit was seen."""
    assert publication.committed_since is not None
    since = publication.committed_since - CLOCK_SKEW
    before: str | None = None
    for _ in range(MAX_PAGES):
        page = await api.statuses(account_id, before)
        for status in page:
            if status.created_at < since:
                return Absent()
            if _is_same(status, publication):
                return Published(status.id, status.url)
        if not page:
            return Absent()
        before = page[-1].id
    return Unknown(f"the account has posted more than {MAX_PAGES * PAGE} times since the attempt")


def _is_same(status: Status, publication: Publication) -> bool:
    """Compare what it answers, then the media's ids, which are unique, or else the text.

    The text alone would take the parts of a thread that say the same for one another.
    """
    content, answered = publication.content, publication.reply_to
    if status.in_reply_to_id != (answered.remote_id if answered else None):
        return False
    attached = {media.id for media in status.media_attachments}
    if attached or content.media:
        return attached == {publication.handles.get(f"media:{file.id}") for file in content.media}
    return _key(plain_text(status.content)) == _key(content.full_text)


def plain_text(content: str) -> str:
    """Return the text of a status's HTML."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", content))).strip()


def _key(text: str) -> str:
    """Return what stays the same however a server formats a text: its letters and digits.

    A wrong "not there" would double the post, so the comparison is forgiving.
    """
    text = without_mention_servers(text)
    return "".join(filter(str.isalnum, text)) or "".join(text.split())
