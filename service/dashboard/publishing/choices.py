"""Pure rules: what an author chooses for a platform, as fields of a form."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.platforms.limits import OptionField

YES, NO = "yes", "no"
ANSWERS = ((YES, "Yes"), (NO, "No"))
STRONG = re.compile(r"[;\n]")
"""Parts words wherever it stands; a comma only where there is none of these."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One field: a list to choose from, a box, or a line to write."""

    name: str
    title: str
    hint: str
    control: Literal["select", "box", "line"]
    required: bool
    value: str
    answers: Sequence[tuple[str, str]] = ()
    """What a list offers: what is sent, and what it says."""
    most: int | None = None
    """Characters of a line; None also where only its words count."""


def choices(fields: Mapping[str, OptionField], typed: Mapping[str, str]) -> list[Choice]:
    """Return the fields of a platform, with what somebody has chosen."""
    return [_choice(name, field, typed.get(name)) for name, field in fields.items()]


def _choice(name: str, field: OptionField, typed: str | None) -> Choice:
    title, hint = words(name), field.description
    if is_box(field):
        value = typed if typed is not None else text_of(field.default)
        return Choice(name, title, hint, "box", field.required, value)
    if field.kind in {"choice", "flag"}:
        offered = [(each, words(each)) for each in field.choices]
        answers = [_unanswered(field), *(offered if field.kind == "choice" else ANSWERS)]
        return Choice(name, title, hint, "select", field.required, typed or "", answers)
    if field.kind == "words":
        hint += " Part them by commas, or by semicolons where one has a comma."
        return Choice(name, title, hint, "line", field.required, typed or "")
    return Choice(name, title, hint, "line", field.required, typed or "", most=field.most)


def _unanswered(field: OptionField) -> tuple[str, str]:
    if field.required:
        return "", "Choose…"
    if field.default is None:
        return "", "As the account is set"
    return "", f"{words(str(field.default))} (unless chosen otherwise)"


def is_box(field: OptionField) -> bool:
    """Whether it is a box to tick: not where no answer is something else than no."""
    return field.kind == "flag" and not field.required and field.default is not None


def settled(fields: Mapping[str, OptionField], typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was sent with the answer of boxes that nobody ticked, which are not sent."""
    return {name: NO for name, field in fields.items() if is_box(field)} | dict(typed)


def options(fields: Mapping[str, OptionField], typed: Mapping[str, str]) -> dict[str, object]:
    """Return what was chosen as a post has it; what is left as it is by default is left out."""
    found = {
        name: _value(field, typed[name].strip()) for name, field in fields.items() if name in typed
    }
    return {
        name: value
        for name, value in found.items()
        if value not in (None, "", []) and (fields[name].required or value != fields[name].default)
    }


def _value(field: OptionField, text: str) -> object:
    if field.kind == "flag":
        return {YES: True, NO: False}.get(text)
    if field.kind == "words":
        return split(text)
    return text


def split(text: str) -> list[str]:
    """Return the words of a line."""
    parts = STRONG.split(text) if STRONG.search(text) else text.split(",")
    return [word for part in parts if (word := part.strip())]


def text_of(value: object) -> str:
    """Return a stored choice as it is typed; the opposite of what `options` does."""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list):
        return _joined(str(word) for word in value)
    return "" if value is None else str(value)


def _joined(found: Iterable[str]) -> str:
    written = list(found)
    if any("," in word for word in written):
        return "; ".join(written) + (";" if len(written) == 1 else "")
    return ", ".join(written)


def words(name: str) -> str:
    """Return a name for programs as a person reads it: `madeForKids` is `Made for kids`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("_", " ").strip().lower()
    return parted[:1].upper() + parted[1:]
