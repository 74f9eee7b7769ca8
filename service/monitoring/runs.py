"""Events of finished runs as rows of the history. Ciphertext stays ciphertext."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from asyncpg.pgproto.pgproto import UUID as WrittenUUID  # noqa: N811 - it is the driver's own

from service.queue import JobState, declared
from service.queue.codec import parse
from service.queue.errors import DecodeError
from service.queue.events import Event
from service.queue.headers import trace_of
from service.queue.instants import from_ms, to_ms
from service.queue.views import end_state

_NUL, _NUL_IN_JSON = "\x00", b"\\u0000"
_SEALED = b'{"sealed":'
_VERSION_7 = b"\x70\x00\x80"
"""The middle of an id: its version, no fraction of the millisecond, its variant."""
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
    gc=False,
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


_DECLARED = declared()
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
    job = _DECLARED.get(result.function)
    sensitive = sealed or (job is not None and job.sensitive)
    shown = None if sensitive else failure
    keeps_result = result.success and outcome != b"null" and (sealed or not sensitive)
    finished_at, job_id = instant_of(result.finished_ms), event.job_id.decode()
    return Run(  # by position: it is made for every job
        finished_at,
        _id_at(finished_at, result.finished_ms),
        job_id,
        result.tries or 0,
        result.function,
        result.queue.removeprefix("almanac:"),
        JobState.RETRYING if result.success is None else end_state(failure),
        _arguments(result, sensitive=sensitive),
        _json(outcome) if keeps_result else None,
        failure.type if failure else None,
        _text(shown.message) if shown else None,
        _text(shown.traceback) if shown and shown.traceback else None,
        event.worker,
        result.headers.get("actor"),
        trace_of(job_id, result.headers),
        sensitive,
        instant_of(result.enqueued_ms),
        instant_of(result.started_ms),
    )


def _id_at(moment: datetime, milliseconds: int) -> UUID:
    """Return an id as `uuid7_at` makes one, with fewer random bits, in a tenth of its time."""
    if not 0 <= milliseconds <= _LATEST_MS:
        milliseconds = to_ms(moment)
    return WrittenUUID(milliseconds.to_bytes(6, "big") + _VERSION_7 + next(_random))


def _random_bytes() -> Iterator[bytes]:
    """Yield 56 random bits at a time, of many that are drawn at once: the call is what costs."""
    while True:
        drawn = os.urandom(7 * 1024)
        yield from (drawn[start : start + 7] for start in range(0, len(drawn), 7))


_random = _random_bytes()


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
    job = _DECLARED.get(result.function)
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
