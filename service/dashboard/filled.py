"""What people fill in: read as the API's own bodies, with every problem at its field."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.schema import Schema

T = TypeVar("T", bound=Schema)
MISSING = {
    "string_too_short": "is needed",
    "missing": "is needed",
    "too_short": "choose at least one",
    "enum": "is none of these",
    "string_pattern_mismatch": "contains control characters",
}
"""What a person is told instead of the words for programs, by the type of the problem."""


def body(model: type[T], values: Mapping[str, Any]) -> T:
    """Return a form's values as a body of the API.

    Raises:
        InvalidInput: what is wrong, by field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = [(str(each["loc"][0]), each) for each in error.errors()]
        problems = [Problem(name, MISSING.get(each["type"], each["msg"])) for name, each in found]
        raise InvalidInput(problems) from error


def problems(error: InvalidInput) -> dict[str, str]:
    """Return what is wrong by field, as it is shown below each: the first of several."""
    found: dict[str, str] = {}
    for problem in error.problems:
        message = problem.message
        found.setdefault(problem.field, f"{message[:1].upper()}{message[1:]}")
    return found


class Problems(dict[str, str]):
    """What is wrong with a form by field, of several checks that each may refuse it."""

    @contextmanager
    def gathered(self, as_field: str | None = None) -> Iterator[None]:
        """Keep what is refused in this block, unless its field has a problem already.

        Args:
            as_field: what the form calls the field, where the domain has another name for it.
        """
        try:
            yield
        except InvalidInput as error:
            for field, message in problems(error).items():
                self.setdefault(as_field or field, message)


def instant(field: str, text: str, zone: ZoneInfo) -> datetime | None:
    """Return what `<input type="datetime-local">` says in a person's zone; None for nothing.

    Raises:
        InvalidInput: it is no date and time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = Problem(field, "is no date and time such as 2026-11-24T09:30")
        raise InvalidInput([problem]) from None


def end_of_day(field: str, text: str, zone: ZoneInfo) -> datetime | None:
    """Return the end of the day that `<input type="date">` says; None for nothing.

    Raises:
        InvalidInput: it is no date, or over.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=1)
        end = datetime.combine(day, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput([Problem(field, "is no date such as 2026-11-24")]) from None
    if end <= now():
        raise InvalidInput([Problem(field, "has passed")])
    return end


def day_after(days: int, zone: ZoneInfo) -> str:
    """Return the day so many days from now as `<input type="date">` has it."""
    return (now().astimezone(zone) + timedelta(days=days)).date().isoformat()
