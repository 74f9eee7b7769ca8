"""A post as X takes it, and what only X finds wrong with one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.errors import Problem
from service.platforms.contract import Content, Publication
from service.platforms.failures import Rejected, Transient
from service.platforms.options import option
from service.platforms.x import handles as x_handles
from service.platforms.x import limits as x_limits
from service.platforms.x.api import NAME

CASHTAG = re.compile(r"(?:^|(?<=\s))\$[a-z]{1,6}(?:[._][a-z]{1,2})?(?![\w$])", re.IGNORECASE)
"""As twitter-text finds them."""
_COMMUNITY = re.compile(r"[0-9]{1,19}")


def with_size_of_gifs(found: Sequence[Problem], content: Content) -> Iterator[Problem]:
    """Let GIFs have the size that X gives them, which is another than that of images."""
    sizes = {
        f"media[{index}]": file.size
        for index, file in enumerate(content.media)
        if file.content_type == "image/gif"
    }
    for problem in found:
        size = sizes.get(problem.field)
        if size is None or problem.code != "image_too_large":
            yield problem
        elif size > x_limits.GIF_BYTES:
            text = f"{size:,} bytes; of a GIF at most {x_limits.GIF_BYTES:,} are allowed."
            yield replace(problem, message=text)


def problems(content: Content) -> Iterator[Problem]:
    """Yield what figures cannot say."""
    if len(content.media) > 1 and any(f.content_type == "image/gif" for f in content.media):
        text = "A GIF must be the only media of a post on X."
        yield Problem("media", text, "mixed_media")
    cashtags = len(CASHTAG.findall(content.full_text))
    if cashtags > 1:
        yield Problem("text", f"{cashtags} cashtags; X takes one from an app.", "too_many_cashtags")
    community = content.options.get("community_id")
    if isinstance(community, str) and community and not _COMMUNITY.fullmatch(community):
        text = "Must be the number at the end of the community's address."
        yield Problem("options.community_id", text, "option")


def body(publication: Publication) -> dict[str, object]:
    """Return the request for a post.

    Raises:
        Rejected: it answers a post that is not known.
        Transient: its media are not uploaded.
    """
    content = publication.content
    made: dict[str, object] = {}
    if text := content.full_text:
        made["text"] = text
    ids = x_handles.media_ids(publication)
    if len(ids) != len(content.media):
        raise Transient(f"{NAME}, posting: media have expired; they will be uploaded again")
    if ids:
        made["media"] = {"media_ids": ids}
    if content.kind == "post":
        made |= _first_options(content)
    elif publication.reply_to is None:
        raise Rejected(f"{NAME}, posting: the post that this one answers is not known")
    else:
        made["reply"] = {"in_reply_to_tweet_id": publication.reply_to.remote_id}
    for name in ("made_with_ai", "paid_partnership"):
        if content.options.get(name) is True:
            made[name] = True
    return made


def _first_options(content: Content) -> dict[str, object]:
    """Return what only a post of its own has; X takes no reply settings of an answer."""
    chosen: dict[str, object] = {}
    answering = option(content.options, x_limits.OPTIONS, "reply_settings")
    if answering != "everyone":
        chosen["reply_settings"] = answering
    if community := content.options.get("community_id"):
        chosen["community_id"] = community
        if content.options.get("share_with_followers") is True:
            chosen["share_with_followers"] = True
    return chosen
