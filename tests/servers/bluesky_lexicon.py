"""What a server checks of a record, written from the lexicons, independently of our code.

app.bsky.feed.post, app.bsky.feed.threadgate, app.bsky.feed.postgate, app.bsky.richtext.facet,
app.bsky.embed.images, app.bsky.embed.video, app.bsky.embed.external
(https://github.com/bluesky-social/atproto/tree/main/lexicons). Stricter than a real server in two
points: unknown fields are refused, and facets must begin and end between UTF-8 characters.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import regex

TID = regex.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
CID = regex.compile(r"b[a-z2-7]{58}")
LANGUAGE = regex.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
DID = regex.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")


class Invalid(Exception):
    """The record does not follow the lexicon."""


def _need(condition: object, text: str) -> None:
    if not condition:
        raise Invalid(text)


def _fields(value: Any, required: set[str], optional: Collection[str] = ()) -> None:
    _need(isinstance(value, dict), f"{value!r} is no object")
    _need(required <= value.keys(), f"missing {required - value.keys()}")
    _need(value.keys() <= required | set(optional), f"unknown fields in {sorted(value)}")


def check_record(collection: str, record: Any, repository: str, rkey: str) -> list[dict[str, Any]]:
    """Check a record of any kind and return its blobs; raises Invalid.

    Args:
        repository: at:// and the account's DID.
        rkey: the key it is to have.
    """
    if collection == "app.bsky.feed.post":
        return check_post(record)
    if collection == "app.bsky.feed.threadgate":
        _fields(record, {"$type", "post", "createdAt"}, {"allow", "hiddenReplies"})
        kinds = [f"{collection}#{name}Rule" for name in ("mention", "follower", "following")]
        _check_rules(record.get("allow", []), kinds)
    elif collection == "app.bsky.feed.postgate":
        _fields(record, {"$type", "post", "createdAt"}, {"embeddingRules", "detachedEmbeddingUris"})
        _check_rules(record.get("embeddingRules", []), [f"{collection}#disableRule"])
    else:
        raise Invalid(f"unknown collection {collection}")
    _need(record["$type"] == collection, "wrong $type")
    _need(record["post"] == f"{repository}/app.bsky.feed.post/{rkey}", "another post's gate")
    _need(datetime.fromisoformat(record["createdAt"]).tzinfo, "createdAt has no zone")
    return []


def _check_rules(rules: Any, kinds: Collection[str]) -> None:
    _need(isinstance(rules, list) and len(rules) <= 5, "rules must be a list of at most 5")
    for rule in rules:
        _fields(rule, {"$type"})
        _need(rule["$type"] in kinds, f"unknown rule {rule!r}")


def check_post(record: Any) -> list[dict[str, Any]]:
    """Check a post and return its blobs; raises Invalid."""
    _fields(record, {"$type", "text", "createdAt"}, {"facets", "embed", "langs", "reply"})
    _need(record["$type"] == "app.bsky.feed.post", "wrong $type")
    languages = record.get("langs", [])
    _need(isinstance(languages, list) and len(languages) <= 3, "langs must be at most 3")
    _need(all(LANGUAGE.fullmatch(language) for language in languages), "langs is no language")
    if "reply" in record:
        _check_reply(record["reply"])
    text = record["text"]
    _need(isinstance(text, str), "text is no string")
    _need(len(text.encode()) <= 3_000, "text must not be longer than 3000 bytes")
    _need(len(regex.findall(r"\X", text)) <= 300, "text must not be longer than 300 graphemes")
    _need(datetime.fromisoformat(record["createdAt"]).tzinfo, "createdAt has no zone")
    for facet in record.get("facets", []):
        _check_facet(facet, text.encode())
    return _check_embed(record.get("embed"))


def _check_reply(reply: Any) -> None:
    _fields(reply, {"root", "parent"})
    for reference in reply.values():
        _fields(reference, {"uri", "cid"})
        _need(str(reference["uri"]).startswith("at://did:"), "uri is no at-uri")
        _need(CID.fullmatch(str(reference["cid"])), "cid is no CID")


def _check_facet(facet: Any, text: bytes) -> None:
    _fields(facet, {"index", "features"})
    _fields(facet["index"], {"byteStart", "byteEnd"})
    start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
    _need(0 <= start < end <= len(text), f"facet {start}..{end} is outside the text")
    try:
        covered = text[start:end].decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"facet {start}..{end} cuts a character") from error
    _need(facet["features"], "facet without features")
    for feature in facet["features"]:
        _check_feature(feature, covered)


def _check_feature(feature: Any, covered: str) -> None:
    kind = feature.get("$type", "").removeprefix("app.bsky.richtext.facet#")
    if kind == "link":
        _fields(feature, {"$type", "uri"})
        _need(urlsplit(feature["uri"]).scheme in ("http", "https"), "uri is no link")
        _need(covered == feature["uri"], f"link covers {covered!r}")
    elif kind == "mention":
        _fields(feature, {"$type", "did"})
        _need(DID.fullmatch(feature["did"]), "did is no DID")
        _need(covered.startswith("@"), f"mention covers {covered!r}")
    elif kind == "tag":
        _fields(feature, {"$type", "tag"})
        tag = feature["tag"]
        _need(len(tag.encode()) <= 640 and len(regex.findall(r"\X", tag)) <= 64, "tag too long")
        _need(covered == f"#{tag}", f"tag covers {covered!r}")
    else:
        raise Invalid(f"unknown feature {feature!r}")


def _check_embed(embed: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if embed is None:
        return []
    if embed.get("$type") == "app.bsky.embed.external":
        _fields(embed, {"$type", "external"})
        _fields(embed["external"], {"uri", "title", "description"})
        return []
    if embed.get("$type") == "app.bsky.embed.video":
        _fields(embed, {"$type", "video"}, {"alt", "aspectRatio", "captions"})
        _check_ratio(embed)
        alt = embed.get("alt", "")
        _need(len(regex.findall(r"\X", alt)) <= 1_000, "alt is longer than 1000 graphemes")
        return [_checked_blob(embed["video"], "video/mp4", 300_000_000)]
    _need(embed.get("$type") == "app.bsky.embed.images", f"unknown embed {embed!r}")
    _fields(embed, {"$type", "images"})
    _need(1 <= len(embed["images"]) <= 4, "images must be 1 to 4")
    blobs = []
    for image in embed["images"]:
        _fields(image, {"image", "alt"}, {"aspectRatio"})
        _need(isinstance(image["alt"], str), "alt is no string")
        _check_ratio(image)
        blobs.append(_checked_blob(image["image"], "image/", 2_000_000))
    return blobs


def _check_ratio(embed: Mapping[str, Any]) -> None:
    if "aspectRatio" in embed:
        _fields(embed["aspectRatio"], {"width", "height"})
        sides = embed["aspectRatio"].values()
        _need(all(type(side) is int and side >= 1 for side in sides), "aspectRatio is no ratio")


def _checked_blob(blob: Any, kind: str, most: int) -> dict[str, Any]:
    _fields(blob, {"$type", "ref", "mimeType", "size"})
    _need(blob["$type"] == "blob", "it is no blob")
    _need(blob["mimeType"].startswith(kind), f"{kind}* is needed")
    _need(blob["size"] <= most, f"blob is larger than {most} bytes")
    found: dict[str, Any] = blob
    return found
