"""What an author may choose for a post on Bluesky, and the records that say so.

Who may reply and quote stands in records of their own, under the post's key (lexicons
app.bsky.feed.threadgate and app.bsky.feed.postgate).
"""

import re
from collections.abc import Iterator, Mapping

from service.errors import Problem
from service.platforms.contract import Content
from service.platforms.lengths import graphemes
from service.platforms.limits import OptionField
from service.platforms.media_validation import too_long
from service.platforms.options import option

THREADGATE = "app.bsky.feed.threadgate"
POSTGATE = "app.bsky.feed.postgate"
MAX_LANGUAGES = 3
IMAGE_ALT = 2_000
"""Characters that the Bluesky app takes; the lexicon has no limit."""
VIDEO_ALT = 1_000
"""Graphemes (lexicon app.bsky.embed.video)."""

_RULES = {
    "mentioned": [f"{THREADGATE}#mentionRule"],
    "followers": [f"{THREADGATE}#followerRule"],
    "following": [f"{THREADGATE}#followingRule"],
    "nobody": [],
}
FIELDS: Mapping[str, OptionField] = {
    "replies": OptionField(
        "Who may reply: everyone, who is mentioned, who follows the account, whom the account "
        "follows, or nobody. It holds for the whole thread.",
        kind="choice",
        choices=("everyone", *_RULES),
        default="everyone",
    ),
    "quotes": OptionField("Whether others may quote it.", kind="flag", default=True),
    "languages": OptionField(
        "Up to three languages of the text, such as en or pt-BR (BCP 47).", kind="words"
    ),
}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def languages(content: Content) -> list[str]:
    """Return the languages that were chosen."""
    chosen = content.options.get("languages")
    return [str(language) for language in chosen] if isinstance(chosen, list) else []


def gates(content: Content, uri: str, created_at: str) -> list[tuple[str, dict[str, object]]]:
    """Return the records that restrict replies and quotes, each with its URI.

    A thread's gate stands at its first post; quotes are forbidden post by post.

    Args:
        uri: of the post.
        created_at: an instant in RFC 3339.
    """
    found: list[tuple[str, dict[str, object]]] = []
    replies = option(content.options, FIELDS, "replies")
    if content.kind == "post" and isinstance(replies, str) and replies in _RULES:
        rules = [{"$type": rule} for rule in _RULES[replies]]
        found.append(_gate(THREADGATE, uri, created_at, allow=rules))
    if option(content.options, FIELDS, "quotes") is False:
        rules = [{"$type": f"{POSTGATE}#disableRule"}]
        found.append(_gate(POSTGATE, uri, created_at, embeddingRules=rules))
    return found


def _gate(
    collection: str, post: str, created_at: str, **rules: object
) -> tuple[str, dict[str, object]]:
    return gate_uri(collection, post), {
        "$type": collection,
        "post": post,
        "createdAt": created_at,
        **rules,
    }


def gate_uri(collection: str, post: str) -> str:
    """Return the URI of a post's gate: the same repository and key."""
    did, _, rkey = post.removeprefix("at://").split("/")
    return f"at://{did}/{collection}/{rkey}"


def option_problems(content: Content) -> Iterator[Problem]:
    """Yield what option fields and limits alone cannot say."""
    chosen = languages(content)
    if len(chosen) > MAX_LANGUAGES:
        message = f"{len(chosen)} languages; at most {MAX_LANGUAGES} are allowed."
        yield Problem("options.languages", message, "too_many_languages")
    for language in chosen:
        if not _LANGUAGE.fullmatch(language):
            message = f"'{language}' is no language code, such as en or pt-BR."
            yield Problem("options.languages", message, "language")
    for index, file in enumerate(content.media):
        count = len(graphemes(file.alt))
        if file.is_video and count > VIDEO_ALT and len(file.alt) <= IMAGE_ALT:
            yield too_long(f"media[{index}].alt", count, VIDEO_ALT, "characters")
