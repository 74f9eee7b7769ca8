"""The record of a Bluesky post.

By the lexicons app.bsky.feed.post, app.bsky.richtext.facet and app.bsky.embed.*.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from service.platforms.bluesky.options import languages
from service.platforms.contract import Content, MediaFile
from service.platforms.entities import Span, handle_mentions, hashtags, links

COLLECTION = "app.bsky.feed.post"
_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def record_key(delivery_id: UUID) -> str:
    """Return the TID that is this delivery's record key, always the same.

    A TID is 53 bits of microseconds and a 10-bit clock id in 13 sortable characters
    (https://atproto.com/specs/tid). Two deliveries of one account must never share a key, for the
    later post would replace the earlier, and thousands are made in the same millisecond. So the
    UUIDv7 gives the time in steps of 2**43 microseconds (102 days), one step back to stay in the
    past, and 53 of its random bits give the rest.
    """
    step = ((delivery_id.int >> 80) * 1000 >> 43) - 1
    random = delivery_id.int & (1 << 53) - 1
    value = (step & (1 << 10) - 1) << 53 | random
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def post_text(content: Content) -> str:
    """Return the text of the post: the link is a card of its own where no media take its place."""
    return content.full_text if content.media else content.text


def build(
    content: Content,
    *,
    created_at: str,
    blobs: Sequence[object],
    dids: Mapping[str, str | None],
    reply: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the record.

    Args:
        created_at: an instant in RFC 3339; a repeat needs the very same.
        blobs: what the server returned for each image, or for the video.
        dids: handle → its account's DID, or None where nobody has it.
        reply: `root` and `parent`, each with `uri` and `cid`; None: it answers nothing.
    """
    text = post_text(content)
    record: dict[str, Any] = {"$type": COLLECTION, "text": text, "createdAt": created_at}
    if found := facets(text, dids):
        record["facets"] = found
    if reply is not None:
        record["reply"] = reply
    if chosen := languages(content):
        record["langs"] = chosen
    if embed := _embed(content, blobs):
        record["embed"] = embed
    return record


def _embed(content: Content, blobs: Sequence[object]) -> dict[str, Any] | None:
    """Return the images or the video of a post, else its link as a card, if it has one."""
    if content.media and content.media[0].is_video:
        [blob], [file] = blobs, content.media
        embed = {"$type": "app.bsky.embed.video", "video": blob, **_ratio(file)}
        return embed | ({"alt": file.alt} if file.alt else {})
    if content.media:
        images = [
            {"image": blob, "alt": file.alt, **_ratio(file)}
            for blob, file in zip(blobs, content.media, strict=True)
        ]
        return {"$type": "app.bsky.embed.images", "images": images}
    if content.link:
        title = urlsplit(content.link).netloc
        card = {"uri": content.link, "title": title, "description": ""}
        return {"$type": "app.bsky.embed.external", "external": card}
    return None


def _ratio(file: MediaFile) -> dict[str, Any]:
    """Return the shape, which lets an app keep the space free before the file is there."""
    if not (file.width and file.height):
        return {}
    return {"aspectRatio": {"width": file.width, "height": file.height}}


def facets(text: str, dids: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return what makes links, mentions and hashtags clickable, by UTF-8 byte offsets."""
    taken = links(text)
    found = [_facet(text, span, "link", uri=span.text) for span in taken]
    for span in handle_mentions(text):
        did = dids.get(span.text[1:].lower())
        if did and not _overlaps(span, taken):
            found.append(_facet(text, span, "mention", did=did))
    found += [
        _facet(text, span, "tag", tag=span.text[1:])
        for span in hashtags(text)
        if not _overlaps(span, taken)
    ]
    return found


def mentioned_handles(content: Content) -> list[str]:
    """Return the handles in the text, small letters, each once."""
    return list(dict.fromkeys(s.text[1:].lower() for s in handle_mentions(post_text(content))))


def _overlaps(span: Span, others: list[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _facet(text: str, span: Span, feature: str, **value: str) -> dict[str, Any]:
    start = len(text[: span.start].encode())
    return {
        "index": {"byteStart": start, "byteEnd": start + len(span.text.encode())},
        "features": [{"$type": f"app.bsky.richtext.facet#{feature}", **value}],
    }
