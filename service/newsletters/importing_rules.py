"""Pure rules of importing and exporting subscribers: columns, lines, cells that do no harm."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.kit.records import Record
from service.kit.text import storable
from service.newsletters.rules import distinct
from service.providers.mail.addresses import check
from service.providers.mail.headers import header_problem

NAMES = {
    "email": "address",
    "e-mail": "address",
    "email_address": "address",
    "e-mail_address": "address",
    "mail": "address",
    "full_name": "name",
    "tag": "tags",
    "labels": "tags",
}
"""Other names of columns, as other systems have them."""
OURS = frozenset(
    ("address", "name", "tags", "person", "state", "consent", "confirmed_at", "unsubscribed_at",
     "created_at")
)  # fmt: skip
"""Columns that are no attributes: those of an export mean nothing on their way back."""
MOST_ATTRIBUTES, LONGEST_VALUE = 50, 500
LONGEST_NAME, LONGEST_TAG, MOST_TAGS = 200, 50, 50
COLUMNS = (
    *("address", "name", "person", "state", "tags", "attributes", "consent"),
    *("confirmed_at", "unsubscribed_at", "created_at"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that spreadsheets run."""


@dataclass(slots=True)
class Line:
    """A person of a file, or what is wrong with the line."""

    line: int
    address: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    problem: tuple[str, str] | None = None
    """A column and a message."""


def line_of(record: Record) -> Line:
    """Return the person whom a record tells of."""
    if record.problem is not None:
        return Line(record.line, problem=("line", record.problem))
    values: dict[str, Any] = {}
    for name, value in record.values.items():
        values.setdefault(NAMES.get(name, name), value)
    found = Line(record.line, name=_text(values.get("name")), tags=_tags(values.get("tags")))
    try:
        found.address = check(_text(values.get("address")))
    except ValueError as error:
        found.problem = ("address", str(error))
        return found
    found.attributes = _attributes(values)
    found.problem = _problem(found)
    return found


def _problem(found: Line) -> tuple[str, str] | None:
    if problem := header_problem(found.name):
        return "name", problem
    if len(found.name) > LONGEST_NAME:
        return "name", f"is longer than {LONGEST_NAME} characters"
    if len(found.tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in found.tags):
        return "tags", f"are more than {MOST_TAGS}, or longer than {LONGEST_TAG} characters"
    if len(found.attributes) > MOST_ATTRIBUTES:
        return "line", f"has more than {MOST_ATTRIBUTES} further columns"
    if any(len(value) > LONGEST_VALUE for value in found.attributes.values()):
        return "line", f"has a cell of more than {LONGEST_VALUE} characters"
    return None


def _attributes(values: Mapping[str, Any]) -> dict[str, str]:
    found = {
        storable(name)[:LONGEST_VALUE]: text
        for name, value in values.items()
        if name and name not in OURS and (text := _text(value))
    }
    try:
        own = json.loads(found.get("attributes", ""))  # of an export
    except ValueError:
        return found
    if isinstance(own, dict):
        del found["attributes"]
        found |= {storable(str(name)): _text(value) for name, value in own.items()}
    return found


def _tags(value: object) -> list[str]:
    if isinstance(value, list):
        return distinct(storable(str(each)) for each in value)
    return distinct(_text(value).replace(";", ",").replace("|", ",").split(","))


def _text(value: object) -> str:
    text = "" if value is None else storable(str(value)).strip()
    return text[1:] if text.startswith("'") and text[1:2] in FORMULA and text[1:] else text


class Exported(Protocol):
    """A subscriber as an export reads it."""

    address: str
    name: str
    person: str
    state: str
    tags: list[str]
    attributes: Mapping[str, Any]
    consent: str
    confirmed_at: Any
    unsubscribed_at: Any
    created_at: Any


def csv_header() -> str:
    """Return the first line of an export."""
    return ",".join(COLUMNS) + "\r\n"


def csv_lines(rows: Iterable[Exported]) -> str:
    """Return subscribers as lines of CSV; no cell is one that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        cells = [getattr(row, name) for name in COLUMNS]
        writer.writerow([_cell(value) for value in cells])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = ",".join(value)
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
