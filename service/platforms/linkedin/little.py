"""LinkedIn's `little` text format, in which the text of a post is sent.

Reserved characters stand behind a backslash; at the first that does not, LinkedIn silently cuts the
text. A hashtag can be clicked when it is a template. Source:
https://learn.microsoft.com/linkedin/marketing/community-management/shares/little-text-format.
"""

import re

from service.platforms.entities import hashtags

RESERVED = r"\|{}@[]()<>#*_~"

_RESERVED = re.compile(f"[{re.escape(RESERVED)}]")
_ELEMENT = re.compile(r"\\(.)|\{hashtag\|\\?[#\uff03]\|((?:\\.|[^\\|{}])*)\}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def escape(text: str) -> str:
    """Return a text that LinkedIn shows as it is."""
    return _RESERVED.sub(r"\\\g<0>", text)


def little(text: str) -> str:
    """Return a text for LinkedIn: escaped, its hashtags as templates."""
    made, at = [], 0
    for tag in hashtags(text):
        word = escape(tag.text.removeprefix("#"))
        made += [escape(text[at : tag.start]), rf"{{hashtag|\#|{word}}}"]
        at = tag.end
    return "".join([*made, escape(text[at:])])


def plain(commentary: str) -> str:
    """Return what a reader sees of a text in this format."""
    return _ELEMENT.sub(_shown, commentary)


def _shown(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    return "#" + _ESCAPED.sub(r"\1", found[2])
