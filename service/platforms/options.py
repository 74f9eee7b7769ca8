"""What an author chooses for one platform beside text and media."""

from collections.abc import Iterator, Mapping

from service.errors import Problem
from service.platforms.limits import OptionField

_KINDS = {
    "text": (str, "a text"),
    "choice": (str, "one of the choices"),
    "flag": (bool, "true or false"),
    "words": (list, "a list of words"),
}


def option_problems(
    given: Mapping[str, object], fields: Mapping[str, OptionField], *, complete: bool
) -> Iterator[Problem]:
    """Yield what is wrong with options.

    Args:
        given: the options of a post for this platform.
        fields: what it knows.
        complete: whether those that are required must be there.
    """
    for name, value in given.items():
        if name not in fields:
            known = ", ".join(fields) or "none"
            yield Problem(f"options.{name}", f"Unknown here; known: {known}.", "unknown")
        elif wrong := _wrong(value, fields[name]):
            yield Problem(f"options.{name}", wrong, "option")
    for name, field in fields.items():
        if complete and field.required and given.get(name) in (None, "", []):
            yield Problem(f"options.{name}", f"Missing: {field.description}", "missing")


def _wrong(value: object, field: OptionField) -> str | None:
    kind, words = _KINDS[field.kind]
    if not isinstance(value, kind):
        return f"Must be {words}."
    if field.kind == "choice" and value not in field.choices:
        return f"'{value}' is not one of {', '.join(field.choices)}."
    if isinstance(value, list) and not all(isinstance(word, str) for word in value):
        return f"Must be {words}."
    size = sum(map(len, value)) if isinstance(value, list) else len(str(value))
    if field.most is not None and size > field.most:
        return f"Too long by {size - field.most:,}: at most {field.most:,} characters are allowed."
    return None


def option(given: Mapping[str, object], fields: Mapping[str, OptionField], name: str) -> object:
    """Return what was chosen, or the field's default."""
    value = given.get(name)
    return fields[name].default if value in (None, "") else value
