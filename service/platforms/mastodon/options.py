"""What an author may choose for a post on Mastodon beside text and media."""

import re
from collections.abc import Iterator, Mapping

from service.errors import Problem
from service.platforms.contract import Content
from service.platforms.limits import OptionField

VISIBILITIES = ("public", "unlisted", "private", "direct")
FIELDS: Mapping[str, OptionField] = {
    "visibility": OptionField(
        "Who sees it: everybody, everybody but not in public timelines, followers, or only those "
        "who are mentioned. By default what the account is set to.",
        kind="choice",
        choices=VISIBILITIES,
    ),
    "spoiler_text": OptionField(
        "A content warning, shown instead of the text until a reader opens it; counted with it."
    ),
    "sensitive": OptionField("Whether the media are hidden until clicked.", kind="flag"),
    "language": OptionField(
        "The text's language in ISO 639, such as en. By default what the account is set to.",
        most=20,
    ),
    "focus": OptionField(
        "For each image or video, in their order, the point that previews keep in view: x,y from "
        "-1,-1 (bottom left) to 1,1 (top right).",
        kind="words",
    ),
}

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NUMBER = r"[+-]?(?:1(?:\.0*)?|0?\.\d+|0(?:\.\d*)?)"
_FOCUS = re.compile(rf"({_NUMBER}),({_NUMBER})")


def counted_text(content: Content) -> str:
    """Return what Mastodon counts as a post's length: warning and text, with nothing between."""
    return f"{text_option(content, 'spoiler_text')}{content.full_text}"


def text_option(content: Content, name: str) -> str:
    """Return an option that is a text, empty when it was not chosen."""
    value = content.options.get(name)
    return value if isinstance(value, str) else ""


def focus_of(content: Content, index: int) -> str | None:
    """Return the focal point of a post's image or video, in the form of the API."""
    points = content.options.get("focus")
    return points[index] if isinstance(points, list) and index < len(points) else None


def option_problems(content: Content) -> Iterator[Problem]:
    """Yield what the option fields alone cannot say."""
    language = text_option(content, "language")
    if language and not _LANGUAGE.fullmatch(language):
        message = f"'{language}' is no language code of ISO 639, such as en or pt-BR."
        yield Problem("options.language", message, "language")
    points = content.options.get("focus")
    if not isinstance(points, list):
        return
    if len(points) > len(content.media):
        message = f"{len(points)} points for {len(content.media)} images or videos."
        yield Problem("options.focus", message, "focus")
    for point in points:
        if isinstance(point, str) and not _FOCUS.fullmatch(point):
            message = f"'{point}' is no point: give x,y with both from -1.0 to 1.0."
            yield Problem("options.focus", message, "focus")


def body_of(content: Content, *, default_visibility: object) -> dict[str, object]:
    """Return the parameters of a status without its media and what it answers.

    Args:
        default_visibility: the account's own, if it has one.
    """
    body: dict[str, object] = {
        "status": content.full_text,
        "visibility": text_option(content, "visibility") or default_visibility,
        "spoiler_text": text_option(content, "spoiler_text"),
        "sensitive": content.options.get("sensitive"),
        "language": text_option(content, "language"),
    }
    return {name: value for name, value in body.items() if value not in (None, "")}
