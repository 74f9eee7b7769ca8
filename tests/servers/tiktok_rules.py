"""What TikTok's documentation allows in a request, for the emulator."""

import re
from collections.abc import Mapping
from typing import Any

VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")
LEVELS = ("PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
MEGABYTE = 1_000_000

VIDEO_INFO: Mapping[str, type] = {
    "title": str,
    "privacy_level": str,
    "disable_duet": bool,
    "disable_stitch": bool,
    "disable_comment": bool,
    "video_cover_timestamp_ms": int,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
    "is_aigc": bool,
}
PHOTO_INFO: Mapping[str, type] = {
    "title": str,
    "description": str,
    "privacy_level": str,
    "disable_comment": bool,
    "auto_add_music": bool,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
}
DRAFT_INFO: Mapping[str, type] = {"title": str, "description": str}
VIDEO_SOURCE: Mapping[str, type] = {
    "source": str,
    "video_size": int,
    "chunk_size": int,
    "total_chunk_count": int,
}
PHOTO_SOURCE: Mapping[str, type] = {
    "source": str,
    "photo_images": list,
    "photo_cover_index": int,
}


class Invalid(Exception):
    """The request is not as documented."""


def fields(given: Any, known: Mapping[str, type], *needed: str) -> dict[str, Any]:
    """Return an object after looking at its fields' names and types."""
    if not isinstance(given, dict):
        raise Invalid("an object is missing")
    for name, value in given.items():
        if name not in known:
            raise Invalid(f"{name} is not a field")
        if type(value) is not known[name]:
            raise Invalid(f"{name} is not {known[name].__name__}")
    if missing := [name for name in needed if name not in given]:
        raise Invalid(f"{missing[0]} is required")
    return given


def units(text: str) -> int:
    """Return the length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def check_video_source(source: Mapping[str, Any]) -> None:
    """Refuse sizes that break the rules for chunks."""
    size, chunk, count = source["video_size"], source["chunk_size"], source["total_chunk_count"]
    if source["source"] != "FILE_UPLOAD" or not 0 < size <= 4 * 2**30:
        raise Invalid("the source or the size of the video is wrong")
    if not (0 < chunk <= size and 1 <= count <= 1000 and count == size // chunk):
        raise Invalid("the chunks do not add up to the video")
    if size < 5 * MEGABYTE and chunk != size:
        raise Invalid("a small video is one chunk")
    if size >= 5 * MEGABYTE and not 5 * MEGABYTE <= chunk <= 64 * 2**20:
        raise Invalid("chunks have 5 to 64 MB")
    if size - chunk * (count - 1) > 128 * 2**20 or (size > 64 * 2**20 and count == 1):
        raise Invalid("the last chunk is too large")


def video_request(body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return post_info and source_info of what announces a video."""
    fields(body, {"post_info": dict, "source_info": dict}, "post_info", "source_info")
    info = fields(body["post_info"], VIDEO_INFO, "privacy_level")
    if units(info.get("title", "")) > 2_200:
        raise Invalid("title is too long")
    return info, draft_request({"source_info": body["source_info"]})


def draft_request(body: Any) -> dict[str, Any]:
    """Return source_info of what announces a video for the inbox."""
    fields(body, {"source_info": dict}, "source_info")
    source = fields(body["source_info"], VIDEO_SOURCE, *VIDEO_SOURCE)
    check_video_source(source)
    return source


def photo_request(body: Any) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return post_info and source_info of what posts photos, and whether they are a draft."""
    known = {"media_type": str, "post_mode": str, "post_info": dict, "source_info": dict}
    fields(body, known, *known)
    draft = body["post_mode"] == "MEDIA_UPLOAD"
    if body["media_type"] != "PHOTO" or not (draft or body["post_mode"] == "DIRECT_POST"):
        raise Invalid("media_type or post_mode is wrong")
    needed = () if draft else ("privacy_level",)
    info = fields(body["post_info"], DRAFT_INFO if draft else PHOTO_INFO, *needed)
    source = fields(body["source_info"], PHOTO_SOURCE, *PHOTO_SOURCE)
    if source["source"] != "PULL_FROM_URL" or not 1 <= len(source["photo_images"]) <= 35:
        raise Invalid("1 to 35 photos are pulled from URLs")
    if units(info.get("title", "")) > 90 or units(info.get("description", "")) > 4_000:
        raise Invalid("title or description is too long")
    return info, source, draft


def query_request(body: Any) -> list[str]:
    """Return the ids of the videos that are asked for."""
    filters = fields(fields(body, {"filters": dict}, "filters")["filters"], {"video_ids": list})
    ids: list[str] = filters.get("video_ids", [])
    if not 1 <= len(ids) <= 20:
        raise Invalid("1 to 20 video_ids are asked for at once")
    return ids


def id_request(body: Any) -> str:
    """Return the publish_id that is asked for."""
    publish_id: str = fields(body, {"publish_id": str}, "publish_id")["publish_id"]
    return publish_id


def is_video(head: bytes, content_type: str) -> bool:
    """Whether a file's beginning is that of a video of this type."""
    if content_type == "video/webm":
        return head.startswith(b"\x1a\x45\xdf\xa3")
    return head[4:8] == b"ftyp"


def photo_problem(content: bytes | None) -> str | None:
    """Return the `fail_reason` of what a URL led to; None: it is a photo."""
    if content is None:
        return "photo_pull_failed"
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    if not (webp or content.startswith(b"\xff\xd8\xff")):
        return "file_format_check_failed"
    return "picture_size_check_failed" if len(content) > 20 * MEGABYTE else None
