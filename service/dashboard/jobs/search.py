"""The search line of jobs: `queue:emails state:dead args.post:13 error:"timed out" since:2h`.

A term is `field:value`, or a free word: the id of a job, or its name. A value with spaces stands in
quotation marks, in which `\\"` and `\\\\` mean `"` and `\\`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from service.errors import InvalidInput, Problem

FIELD = "q"
STATES: Final = (
    *("queued", "running", "deferred", "retrying"),
    *("succeeded", "failed", "cancelled", "dead"),
)
FIELDS: Final = ("state", "queue", "name", "actor", "error", "since", "until")
ARGUMENT = "args."
ALLOWED = "state, queue, name, args.<argument>, actor, error, since, until"
LONGEST, LONGEST_VALUE = 2000, 500
_TERM = re.compile(
    r'(?P<field>[^\s":]+:)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|\Z)|(?P<plain>[^\s"]\S*))?',
    re.DOTALL,
)
_JOB_ID = re.compile(r'(?:publish|batch|step|undo|cron):[^\s"]+')
_SPAN = re.compile(r"(\d{1,6})(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PLAIN_WORD = re.compile(r'[^\s":-][^\s":]*')
_PLAIN_VALUE = re.compile(r'[^\s"]\S*')


@dataclass(frozen=True, slots=True)
class Query:
    """What a search line says; what is None or empty does not matter."""

    state: str | None = None
    queue: str | None = None
    name: str | None = None
    actor: str | None = None
    error: str | None = None
    since: str | None = None
    """As it was written: a span before now, or a time."""
    until: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()

    def given(self) -> dict[str, str]:
        """Return the fields that are given, without arguments and words."""
        found = ((field, getattr(self, field)) for field in FIELDS)
        return {field: value for field, value in found if value is not None}

    def only(self, *fields: str) -> bool:
        """Whether nothing but these fields is given."""
        return not self.arguments and not self.words and self.given().keys() <= set(fields)


class _Term(NamedTuple):
    field: str
    """Empty for a word."""
    value: str
    in_quotes: bool = False


def parse(text: str) -> Query:
    """Read a search line; raise InvalidInput that says everything that is wrong with it."""
    if len(text) > LONGEST or "\x00" in text:
        raise refusal(f"A search has at most {LONGEST} characters, and no character 0.")
    wrong: list[str] = []
    query = Query()
    for term in _terms(text, wrong.append):
        query = _with(query, term, wrong.append)
    if wrong:
        raise refusal(" ".join(wrong))
    return query


def refusal(message: str) -> InvalidInput:
    """Return the refusal of a search line."""
    return InvalidInput([Problem(FIELD, message)])


def _terms(text: str, complain: Callable[[str], None]) -> Iterator[_Term]:
    text = text.strip()
    place = 0
    while place < len(text):
        if (job := _JOB_ID.match(text, place)) and _ends(text, job.end()):
            yield _Term("", job[0])
            place = job.end()
        else:
            found = _TERM.match(text, place)
            assert found is not None, "every part of the pattern is optional"
            field, plain = (found["field"] or "").removesuffix(":"), found["plain"]
            place = found.end()
            if plain is None and found["quoted"] is None:
                if place < len(text) and text[place] == '"':
                    complain('A quotation mark is not closed. Inside quotes write \\" for one.')
                    return
                complain(f"{field}: needs a value, such as {field}:{_example(field)}.")
            else:
                quoted = re.sub(r"\\(.)", r"\1", found["quoted"] or "", flags=re.DOTALL)
                yield _Term(field, quoted if plain is None else plain, in_quotes=plain is None)
        while place < len(text) and text[place].isspace():
            place += 1


def _ends(text: str, place: int) -> bool:
    return place == len(text) or text[place].isspace()


def _with(query: Query, term: _Term, complain: Callable[[str], None]) -> Query:
    field, value, in_quotes = term
    known = field.lower()
    if field.startswith("-") or (value.startswith("-") and not (field or in_quotes)):
        complain(f"'{field or value}': a search says what jobs have, so a minus is not known.")
    elif len(value) > LONGEST_VALUE:
        complain(f"A value has at most {LONGEST_VALUE} characters.")
    elif not field:
        return replace(query, words=(*query.words, value))
    elif known.startswith(ARGUMENT) and len(known) > len(ARGUMENT):
        pair = (field[len(ARGUMENT) :], value)
        return replace(query, arguments=(*query.arguments, pair))
    elif known not in FIELDS:
        complain(f"There is no field '{field}'. Fields are {ALLOWED}.")
    elif getattr(query, known) is not None:
        complain(f"{known}: is given twice.")
    elif known == "state" and value.lower() not in STATES:
        complain(f"There is no state '{value}'. States are {', '.join(STATES)}.")
    elif known in {"since", "until"} and not _is_time(value):
        complain(f"{known}: takes a span such as 30min, 2h, 3d, or a time such as 2026-11-01.")
    else:
        changed: dict[str, Any] = {known: value.lower() if known == "state" else value}
        return replace(query, **changed)
    return query


def _example(field: str) -> str:
    examples = {"state": "failed", "queue": "publishing", "name": "posts.publish", "since": "2h"}
    return examples.get(field.lower(), "13" if field.startswith(ARGUMENT) else "…")


def _is_time(value: str) -> bool:
    try:
        instant(value, datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
    except ValueError:
        return False
    return True


def instant(value: str, moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that `since` or `until` means.

    Args:
        value: a span before now, or a date or time; without an offset in the person's zone.
        moment: now.
        zone: of the person.

    Raises ValueError for anything else, and for what is beyond the calendar.
    """
    try:
        if span := _SPAN.fullmatch(value):
            return moment - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the years 1 to 9999") from error


def write(query: Query) -> str:
    """Return the search line that says this; `parse` reads it as the same."""
    terms = [f"{field}:{_quoted(value)}" for field, value in query.given().items()]
    terms += [f"{ARGUMENT}{key}:{_quoted(value)}" for key, value in query.arguments]
    for word in query.words:
        plain = _PLAIN_WORD.fullmatch(word) or _JOB_ID.fullmatch(word)
        terms.append(word if plain else _in_quotes(word))
    return " ".join(terms)


def _quoted(value: str) -> str:
    return value if _PLAIN_VALUE.fullmatch(value) else _in_quotes(value)


def _in_quotes(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def path_of(query: Query) -> str:
    """Return where a search is shown."""
    text = write(query)
    return f"/jobs?{urlencode({FIELD: text})}" if text else "/jobs"


def job_path(job_id: str, verb: str = "") -> str:
    """Return where a job is shown, or where a form of it goes."""
    return f"/jobs/{quote(job_id, safe='')}{verb and '/'}{verb}"
