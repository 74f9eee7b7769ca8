"""What is wrong with the composer's form, and at which of its fields."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from service.dashboard.filled import MISSING
from service.dashboard.publishing.previews import UNFOLLOWED, said
from service.errors import InvalidInput, Problem
from service.platforms.contract import Platform
from service.posts.composing import Body, Target, content_problems
from service.schema import Schema

T = TypeVar("T", bound=Schema)
OWN = re.compile(r"overrides\.([0-9a-f-]{36})\.(text|media|options|thread)(?:\.(\w+))?")
FOLLOW = re.compile(r"thread\[(\d+)\]\.(\w+)")


def body(model: type[T], values: Mapping[str, Any]) -> T:
    """Return a form's values as a body of the API.

    Raises:
        InvalidInput: what is wrong, by the path of the value: `thread[1].text`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [
            Problem(_path(each["loc"]), MISSING.get(each["type"], each["msg"]))
            for each in error.errors()
        ]
        raise InvalidInput(problems) from error


def _path(location: Sequence[str | int]) -> str:
    first, *rest = location
    return str(first) + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in rest)


def in_words(problems: Sequence[Problem]) -> list[str]:
    """Return what is wrong as a list that a person reads."""
    return list(dict.fromkeys(map(said, problems)))


def of_targets(
    platforms: Mapping[str, Platform], targets: Sequence[Target], content: Body
) -> Iterator[Problem]:
    """Yield what keeps a post from its accounts, each by the account's own field if it has one."""
    for target in targets:
        account = target.account
        own = {"options"}
        own |= {"text"} if target.text is not None else set()
        own |= {"media"} if target.media is not None else set()
        for problem in content_problems(platforms, [target], content):
            field, message = problem.field, problem.message
            if problem.code in UNFOLLOWED:
                field = "thread"
            if field == "thread" or re.split(r"\W", field)[0] in own:
                field = f"overrides.{account.id}.{field}"
                message = message.removeprefix(f"{account.platform} account {account.handle}: ")
            yield Problem(field, message, problem.code)


def by_field(problems: Sequence[Problem]) -> dict[str, str]:
    """Return what is wrong by the field of the form that it is about, all of it."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        message = problem.message[:1].upper() + problem.message[1:]
        found.setdefault(place(problem.field), []).append(message)
    return {name: " ".join(dict.fromkeys(messages)) for name, messages in found.items()}


def place(field: str) -> str:
    """Return the name that the form has for what a problem is about."""
    if own := OWN.match(field):
        account, what, option = own.groups()
        names = {
            "text": f"text-{account}",
            "media": f"own-{account}-media",
            "thread": f"follow-{account}",
            "options": f"choice-{account}-{option}",
        }
        return names[what]
    if follow := FOLLOW.match(field):
        number, what = follow.groups()
        name = what if what in {"media", "delay", "kind"} else "text"
        return f"part-{number}-{name}"
    return re.split(r"[.\[]", field, maxsplit=1)[0]
