"""Looking for a post among an account's own: X knows no idempotency key."""

import html
import re
from datetime import datetime, timedelta
from urllib.parse import unquote

from service.platforms.contract import Absent, Publication, Published, Unknown
from service.platforms.x.answers import Entities, Tweet
from service.platforms.x.api import PAGE, Api
from service.platforms.x.handles import known_ids

CLOCK_SKEW = timedelta(minutes=2)
MAX_PAGES = 5

_SCHEME = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)


def post_url(handle: str, post_id: str) -> str:
    """Return where people see a post."""
    return f"https://x.com/{handle.removeprefix('@')}/status/{post_id}"


async def find(
    api: Api, user_id: str, publication: Publication, since: datetime
) -> Published | Absent | Unknown:
    """Return the post, if the account has it since an instant; Absent only when all were seen."""
    after: str | None = None
    for _ in range(MAX_PAGES):
        page = await api.timeline(user_id, since, after)
        for tweet in page.data:
            if is_same(tweet, publication):
                url = post_url(publication.destination.handle, tweet.id)
                return Published(tweet.id, url)
        after = page.meta.next_token
        if after is None:
            return Absent()
    return Unknown(f"the account has posted more than {MAX_PAGES * PAGE} times since the attempt")


def is_same(tweet: Tweet, publication: Publication) -> bool:
    """Tell whether this is the post: by its media, which have ids of their own, or by its text.

    The number before a media key is the kind of media and can change while X works on it; what
    follows is the id that the upload got. A post without a text is known by its media only.
    """
    content, shown = publication.content, tweet.attachments.media_keys
    attached = {key.rpartition("_")[2] for key in shown}
    if attached and attached == known_ids(publication):
        return True
    if len(shown) != len(content.media) or not content.full_text.strip():
        return False
    return _key(plain_text(tweet)) == _key(content.full_text)


def plain_text(tweet: Tweet) -> str:
    """Return a post's whole text as its author wrote it: links in full, none to its own media."""
    note = tweet.note_tweet
    text, entities = (note.text, note.entities) if note else (tweet.text, tweet.entities)
    return html.unescape(_expanded(text, entities)).strip()


def _expanded(text: str, entities: Entities) -> str:
    for url in entities.urls:
        text = text.replace(url.url, "" if url.media_key else url.expanded_url)
    return text


def _key(text: str) -> str:
    """Return what stays the same however X shows a text: its letters and digits.

    A wrong "not there" would double the post, so the comparison is forgiving.
    """
    text = unquote(_SCHEME.sub("", text)).casefold()
    return "".join(filter(str.isalnum, text)) or "".join(text.split())
