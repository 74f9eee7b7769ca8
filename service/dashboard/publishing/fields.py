"""Reading the composer's form: by name, by id, by number."""

from uuid import UUID

from starlette.datastructures import FormData


def words(form: FormData, name: str) -> str:
    """Return a field with line ends as platforms count them; a browser sends two characters."""
    value = form.get(name, "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def ids(form: FormData, name: str) -> list[UUID]:
    """Return the ids that a field has, each once; what is none is left out."""
    found = (parse_id(value) for value in form.getlist(name))
    return list(dict.fromkeys(id_ for id_ in found if id_ is not None))


def by_id(form: FormData, prefix: str) -> dict[UUID, str]:
    """Return the fields whose names are a prefix and an id, by that id."""
    found = (
        (parse_id(name.removeprefix(prefix)), name) for name in form if name.startswith(prefix)
    )
    return {id_: words(form, name) for id_, name in found if id_ is not None}


def by_id_and_name(form: FormData, prefix: str) -> dict[UUID, dict[str, str]]:
    """Return the fields whose names are a prefix, an id and a name, such as `choice-{id}-title`."""
    found: dict[UUID, dict[str, str]] = {}
    for field in form:
        if not field.startswith(prefix):
            continue
        rest = field.removeprefix(prefix)
        id_, name = parse_id(rest[:36]), rest[37:]
        if id_ is not None and name:
            found.setdefault(id_, {})[name] = words(form, field)
    return found


def in_order(form: FormData, name: str, most: int) -> list[int]:
    """Return the numbers that a field has, in the order in which they were sent, each once."""
    found = [str(value) for value in form.getlist(name)]
    numbers = [int(value) for value in found if value.isdecimal() and len(value) < 5]
    return list(dict.fromkeys(numbers))[:most]


def parse_id(value: object) -> UUID | None:
    """Return an id, None for what is none."""
    try:
        return UUID(str(value))
    except ValueError:
        return None
