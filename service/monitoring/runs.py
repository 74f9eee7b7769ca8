"""Events of finished runs as rows of the history. Ciphertext stays ciphertext."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from service.kit.ids import uuid7_at
from service.queue import JobState, declared
from service.queue.codec import parse
from service.queue.errors import DecodeError
from service.queue.events import Event
from service.queue.instants import from_ms, to_ms
from service.queue.views import end_state

_NUL, _NUL_IN_JSON = "\x00", b"\\u0000"
_SEALED = b'{"sealed":'
_LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: Python knows no later instant."""


class Run(NamedTuple):
    """A row of `job_runs`, as COPY takes it: JSON is text."""

    finished_at: datetime
    id: UUID
    job_id: str
    attempt: int
    name: str
    queue: str
    state: str
    arguments: str
    result: str | None
    error_type: str | None
    error: str | None
    traceback: str | None
    worker: str
    actor: str | None
    trace: str | None
    sensitive: bool
    enqueued_at: datetime
    started_at: datetime

    def bare(self) -> "Run":
        """Return it without the values that PostgreSQL may refuse."""
        return self._replace(arguments="{}", result=None, error=None, traceback=None)


class _Result(
    msgspec.Struct,
    rename={
        "function": "f", "args": "a", "kwargs": "k", "enqueued_ms": "et", "tries": "t",
        "headers": "h", "sealed": "c", "success": "s", "outcome": "r", "started_ms": "st",
        "finished_ms": "ft", "queue": "q",
    },
):  # fmt: skip
    """What the history takes of a stored result, its values as they are written."""

    function: str
    args: msgspec.Raw
    kwargs: msgspec.Raw
    enqueued_ms: int
    finished_ms: int
    started_ms: int
    queue: str
    success: bool | None
    outcome: msgspec.Raw
    tries: int | None = None
    headers: dict[str, str] = {}
    sealed: str = ""


_results = msgspec.json.Decoder(_Result)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


def run_of(event: Event) -> Run:
    """Return the row of an event.

    Raises DecodeError when the event is none that this release can read.
    """
    try:
        return _run_of(event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"the event of job {event.job_id!r} cannot be read: {error}") from error


def _run_of(event: Event) -> Run:
    result = _results.decode(event.result)
    outcome = bytes(result.outcome)
    failure = None if result.success else parse(event.result).shown_failure()
    sealed = bool(result.sealed or (failure.sealed if failure else outcome.startswith(_SEALED)))
    sensitive = sealed or _declared_sensitive(result.function)
    shown = None if sensitive else failure
    keeps_result = result.success and outcome != b"null" and (sealed or not sensitive)
    finished_at = instant_of(result.finished_ms)
    return Run(
        finished_at=finished_at,
        id=uuid7_at(to_ms(finished_at)),
        job_id=event.job_id.decode(),
        attempt=result.tries or 0,
        name=result.function,
        queue=result.queue.removeprefix("almanac:"),
        state=JobState.RETRYING if result.success is None else end_state(failure),
        arguments=_arguments(result, sensitive=sensitive),
        result=_json(outcome) if keeps_result else None,
        error_type=failure.type if failure else None,
        error=_text(shown.message) if shown else None,
        traceback=_text(shown.traceback) if shown and shown.traceback else None,
        worker=event.worker,
        actor=result.headers.get("actor"),
        trace=result.headers.get("trace"),
        sensitive=sensitive,
        enqueued_at=instant_of(result.enqueued_ms),
        started_at=instant_of(result.started_ms),
    )


def _declared_sensitive(function: str) -> bool:
    job = declared().get(function)
    return job is not None and job.sensitive


def instant_of(milliseconds: int) -> datetime:
    """Return the instant of a Unix time, of an impossible one the nearest that is possible."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return from_ms(_LATEST_MS if milliseconds > 0 else 0)


def _arguments(result: _Result, *, sensitive: bool) -> str:
    """Return the arguments by name; by position where this process does not know the names."""
    if result.sealed:
        return msgspec.json.encode({"sealed": result.sealed}).decode()
    if sensitive:  # its sender did not encrypt them
        return "{}"
    if bytes(result.args) == b"[]":
        return _json(bytes(result.kwargs))
    job = declared().get(result.function)
    names = list(job.parameters) if job else []
    found: dict[str, Any] = {
        names[place] if place < len(names) else str(place): value
        for place, value in enumerate(_lists.decode(result.args))
    }
    return _json(msgspec.json.encode(found | _objects.decode(result.kwargs)))


def _json(text: bytes) -> str:
    """Return JSON as PostgreSQL takes it, which has no character 0."""
    return text.replace(_NUL_IN_JSON, b"\\ufffd").decode()


def _text(text: str) -> str:
    return text.replace(_NUL, "\ufffd")
