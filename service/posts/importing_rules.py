"""Pure rules of imports: from the columns of any source to a post of ours."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from service.kit.records import Record

NAMES = {
    "import_key": "id",
    "caption": "text",
    "message": "text",
    "content": "text",
    "schedule_time": "publish_at",
    "scheduled_at": "publish_at",
    "scheduled_time": "publish_at",
    "platform": "platforms",
    "account": "accounts",
    "timezone": "zone",
    "url": "link",
}
"""Other names of columns, as old systems have them."""
COLUMNS = (
    *("id", "text", "link", "media", "hashtags", "platforms", "accounts", "publish_at", "zone"),
    *("content_id", "draft", "status"),
)
OPEN = frozenset({"", "scheduled", "pending", "queued", "approved", "waiting", "draft", "retry"})
"""States of old systems in which a post is still to go out."""
YES, NO = frozenset({"1", "true", "yes", "y", "x"}), frozenset({"", "0", "false", "no", "n"})
LISTED = re.compile(r"[,;|\s]+")
LONGEST_KEY = 200


@dataclass(slots=True)
class Line:
    """What a record wants: the fields of a request to schedule a post, and what is wrong."""

    line: int
    key: str = ""
    """By which a repeat knows it again."""
    fields: dict[str, Any] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)
    """Accounts as the source names them."""
    platforms: list[str] = field(default_factory=list)
    open: bool = True
    """Whether it is still to go out."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of a column and a message."""


def unknown_columns(names: Sequence[str]) -> list[str]:
    """Return the names of columns that mean nothing here."""
    return [name for name in names if NAMES.get(name, name) not in COLUMNS]


def line_of(record: Record, source: str, zone: str | None, *, lenient: bool = False) -> Line:
    """Return what a record wants.

    Args:
        record: as it was read.
        source: begins the keys, so that two systems may use the same ids.
        zone: of times without an offset, where the record names none.
        lenient: whether columns that mean nothing here are passed over.
    """
    if record.problem is not None:
        return Line(record.line, problems=[("line", record.problem)])
    values: dict[str, Any] = {}
    for name, value in record.values.items():
        if value not in (None, "", []):
            values.setdefault(NAMES.get(name, name), value)
    found = Line(record.line, key=_key(values, source))
    if not lenient and (unknown := unknown_columns(list(record.values))):
        found.problems.append(("line", f"has the unknown column '{unknown[0][:80]}'"))
    if len(found.key) > LONGEST_KEY or not found.key.isprintable():
        what = f"is longer than {LONGEST_KEY} characters, or has control characters"
        found.problems.append(("id", what))
    status = _text(values.get("status")).strip().lower()
    found.open = status in OPEN
    found.accounts = words(values.get("accounts"))
    found.platforms = [name.lower() for name in words(values.get("platforms"))]
    found.fields = {
        "text": _text(values.get("text")),
        "link": _text(values.get("link")).strip() or None,
        "media": [{"id": each} for each in words(values.get("media"))],
        "hashtags": [tag for tag in words(values.get("hashtags")) if tag.strip("#")],
        "publish_at": instant(values.get("publish_at")),
        "zone": _text(values.get("zone")).strip() or zone,
        "content_id": _text(values.get("content_id")).strip() or None,
        "draft": status == "draft" or _draft(values.get("draft"), found),
    }
    return found


def words(value: object) -> list[str]:
    """Return a list of words, written as one, as JSON, or parted by commas or spaces."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = str(value).strip("[] ")
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        value = value[1:-1].replace('"', "")  # an array of PostgreSQL, exported as text
    if isinstance(value, Mapping):
        return [str(key) for key, wanted in value.items() if wanted]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(each).strip() for each in value if str(each).strip()]
    return [word for word in LISTED.split(_text(value)) if word]


def instant(value: object) -> str | None:
    """Return a time in ISO 8601, if there is one; what is none stays as it is."""
    if isinstance(value, datetime):
        return value.isoformat()
    return _text(value).strip() or None


def _text(value: object) -> str:
    return "" if value is None else str(value).replace("\r\n", "\n")


def _draft(value: object, found: Line) -> bool:
    word = _text(value).strip().lower()
    if word not in YES | NO:
        found.problems.append(("draft", f"'{word[:80]}' is neither yes nor no"))
    return word in YES


def _key(values: Mapping[str, Any], source: str) -> str:
    """Return the key of a record: its id, else what it says."""
    own = _text(values.get("id")).strip()
    if not own:
        said = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
        own = "sha256:" + sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{source}:{own}" if source else own
