"""What the documentation of the Threads API allows in a container, for the emulator."""

from collections.abc import Mapping
from typing import Any

import regex

from tests.servers.meta import error

REPLY_CONTROLS = (
    *("everyone", "accounts_you_follow", "mentioned_only"),
    *("parent_post_author_only", "followers_only"),
)
PARAMETERS = (
    *("media_type", "text", "image_url", "video_url", "is_carousel_item", "children"),
    *("reply_to_id", "reply_control", "allowlisted_country_codes", "alt_text"),
    *("link_attachment", "quote_post_id", "poll_attachment", "topic_tag"),
)


def units(text: str) -> int:
    """Count characters, an emoji as its bytes in UTF-8."""
    return sum(
        len(cluster.encode())
        if regex.search(r"\p{Emoji_Presentation}|\ufe0f", cluster)
        else len(cluster)
        for cluster in regex.findall(r"\X", text)
    )


def check_container(given: Mapping[str, Any]) -> None:
    """Refuse parameters that are against the rules."""
    kind, item = given["media_type"], given.get("is_carousel_item") == "true"
    wanted = {"TEXT": "text", "IMAGE": "image_url", "VIDEO": "video_url", "CAROUSEL": "children"}
    if kind not in wanted:
        raise error(100, None, "(#100) Param media_type must be one of {TEXT, IMAGE, VIDEO, …}")
    if not given.get(wanted[kind]):
        raise error(100, None, f"(#100) The parameter {wanted[kind]} is required")
    if units(given.get("text", "")) > 500:
        raise error(100, None, "(#100) Param text must be at most 500 characters long.")
    if "link_attachment" in given and kind != "TEXT":
        raise error(100, None, "(#100) link_attachment is for text posts only")
    if item and (kind not in ("IMAGE", "VIDEO") or "text" in given):
        raise error(100, None, "(#100) is_carousel_item is for images and videos")
    if given.get("reply_control", "everyone") not in REPLY_CONTROLS:
        raise error(100, None, "(#100) Param reply_control is wrong")
    topic = given.get("topic_tag", "a")
    if not 1 <= len(topic) <= 50 or set(topic) & {".", "&"}:
        raise error(100, None, "(#100) Param topic_tag is wrong")
    if len(given.get("alt_text", "")) > 1_000:
        raise error(100, None, "(#100) Param alt_text is too long")
