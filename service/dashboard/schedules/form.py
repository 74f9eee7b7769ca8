"""The form of a schedule: what a person typed, what it means, and what is wrong with it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from zoneinfo import available_timezones

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from service.errors import InvalidInput, Problem
from service.kit.crontab import crontab, find_zone
from service.queue import JobType, declared
from service.schedules.schemas import ScheduleOut

BodyT = TypeVar("BodyT", bound=BaseModel)
_MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
"""Of the names of types."""
FIELDS = ("name", "job", "arguments", "cron", "zone", "misfire", "grace", "overlap", "jitter")
START: Mapping[str, str] = {
    "name": "",
    "job": "",
    "arguments": "{}",
    "cron": "",
    "zone": "",
    "misfire": "skip",
    "grace": "3600",
    "overlap": "skip",
    "jitter": "0",
    "paused": "",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is shown: everything that was typed, and the messages at their fields."""

    values: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)


def typed(form: FormData) -> dict[str, str]:
    """Return what a person has typed."""
    return {name: str(form.get(name, "")).strip() for name in START}


def of(schedule: ScheduleOut) -> dict[str, str]:
    """Return a schedule as its form shows it."""
    values = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in
              schedule.model_dump(include=set(FIELDS)).items()}  # fmt: skip
    return {**START, **values, "arguments": written(schedule.arguments)}


def written(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a person reads them."""
    return json.dumps(arguments, indent=2, ensure_ascii=False)


def body(model: type[BodyT], values: Mapping[str, str], **others: Any) -> BodyT:
    """Return what was typed as the API takes it.

    Args:
        model: of the request.
        values: as `typed` returns them.
        others: fields that are not typed.

    Raises:
        InvalidInput: with every problem.
    """
    problems: list[Problem] = []
    given: dict[str, Any] = {name: values[name] for name in FIELDS} | others
    given["zone"] = values["zone"] or None
    try:
        given["arguments"] = _arguments(values["arguments"])
    except ValueError as error:
        problems.append(Problem("arguments", str(error)))
        given["arguments"] = {}
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        problems += [Problem(str(found["loc"][0]), _sentence(found)) for found in error.errors()]
    if problems:
        # What follows from the values would be looked at later; a person wants all of it at once.
        raise InvalidInput([*problems, *_time_problems(values)])
    return made


def _time_problems(values: Mapping[str, str]) -> Iterator[Problem]:
    try:
        crontab(values["cron"], "UTC")
    except ValueError as error:
        yield Problem("cron", str(error))
    try:
        find_zone(values["zone"] or "UTC")
    except ValueError as error:
        yield Problem("zone", str(error))


def _arguments(text: str) -> Any:
    """Return arguments that were typed as JSON."""
    try:
        found = json.loads(text or "{}", parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"This is not JSON: {error.msg} in {place}") from None
    except RecursionError:
        raise ValueError("This is nested too deeply") from None
    if not isinstance(found, dict):
        message = 'Arguments are an object, such as {"batch_id": "…"}, or {} for none'
        raise ValueError(message)  # noqa: TRY004 - what was typed has a wrong value
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _sentence(found: Any) -> str:
    if found["type"] in {"string_too_short", "string_pattern_mismatch"}:
        return "is needed, of characters that can be shown"
    return str(found["msg"])


def messages(error: InvalidInput) -> dict[str, str]:
    """Return the messages of a refusal by the field that they stand at."""
    found: dict[str, list[str]] = {}
    for problem in error.problems:
        name, _, part = problem.field.partition(".")
        found.setdefault(name, []).append(
            f"'{part}' {problem.message}" if part else problem.message
        )
    return {name: "; ".join(texts) for name, texts in found.items()}


def jobs() -> Sequence[JobType[..., Any]]:
    """Return the declared jobs that can be scheduled."""
    found = (job for job in declared().values() if job.owner is None and not job.sensitive)
    return sorted(found, key=lambda job: job.name)


def takes(job: JobType[..., Any]) -> str:
    """Say which arguments a job takes: `batch_id: UUID, again: bool = False`."""
    told = (str(parameter) for parameter in job.signature.parameters.values())
    return ", ".join(_MODULES.sub("", text) for text in told)


@cache
def zones() -> Sequence[str]:
    """Return the names of time zones to choose from."""
    return sorted(name for name in available_timezones() if "/" in name or name == "UTC")
