"""What may be asked for, and what may come of it."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from service.errors import Problem
from service.kit.text import storable
from service.kit.urls import url_problem
from service.newsletters import generating_markdown as markdown

SHORTEST_TOPIC, LONGEST_TOPIC = 3, 500
LONGEST_STYLE = 50
MOST_SOURCES = 20
LONGEST_SUBJECT, LONGEST_CONTENT = 200, 20_000


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A newsletter as a model writes it."""

    subject: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LONGEST_SUBJECT, description="One line of text")
    ]
    content: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LONGEST_CONTENT, description="Markdown")
    ]


def problems(topic: str, style: str, sources: Sequence[str]) -> list[Problem]:
    """Return all that is wrong with a request for a newsletter."""
    found = []
    if not SHORTEST_TOPIC <= len(topic.strip()) <= LONGEST_TOPIC:
        text = f"must have {SHORTEST_TOPIC} to {LONGEST_TOPIC} characters"
        found.append(Problem("topic", text, "length"))
    if not 1 <= len(style.strip()) <= LONGEST_STYLE:
        text = f"must have 1 to {LONGEST_STYLE} characters, such as concise"
        found.append(Problem("style", text, "length"))
    for field, text in (("topic", topic), ("style", style)):
        if storable(text) != text:
            found.append(Problem(field, "contains a character that no text has", "invalid"))
    if len(sources) > MOST_SOURCES:
        text = f"has {len(sources)} addresses; {MOST_SOURCES} are the most"
        found.append(Problem("sources", text, "length"))
    for i, url in enumerate(sources[:MOST_SOURCES]):
        if problem := url_problem(url):
            found.append(Problem(f"sources[{i}]", problem, "url"))
    return found


def accepted(draft: Draft, allowed: Sequence[str]) -> Draft:
    """Return a draft with nothing in it that is not to be mailed; see `markdown.cleaned`.

    Args:
        draft: as the model wrote it.
        allowed: the addresses that it may link to.

    Raises:
        ValueError: nothing is left of it.
    """
    subject = markdown.in_one_line(markdown.without_addresses(draft.subject, ()))
    if not subject:
        raise ValueError("its subject has no words")
    content = markdown.cleaned(draft.content, allowed)
    if len(content) > LONGEST_CONTENT:
        raise ValueError("its content is too long; make it shorter")
    if not any(character.isalnum() for character in content):
        raise ValueError("its content has no words")
    return Draft(subject, content)
