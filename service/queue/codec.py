"""arq's payloads as JSON: the serializer and deserializer of every client and worker.

A payload keeps arq's own keys (f, a, k, t, et; of a result also s, r, st, ft, q, id) beside `v`,
the version of this format, and `h`, optional headers. Arguments and results are decoded into the
types that the function's declaration states; those of an undeclared function stay plain JSON.
Pickle is never read.
"""

from typing import Any

import msgspec

from service.queue.declaration import JobType, declared
from service.queue.errors import DecodeError, EncodeError, NotJSON, PayloadTooLarge
from service.queue.failures import Failure, describe, rebuild
from service.queue.values import encode, refuse_inexact

VERSION = 1
MAX_PAYLOAD_BYTES = 1_048_576
_PICKLE = b"\x80"


class Record(
    msgspec.Struct,
    frozen=True,
    rename={
        "version": "v",
        "function": "f",
        "args": "a",
        "kwargs": "k",
        "tries": "t",
        "enqueued_ms": "et",
        "headers": "h",
        "success": "s",
        "outcome": "r",
        "started_ms": "st",
        "finished_ms": "ft",
        "queue": "q",
        "job_id": "id",
    },
):
    """A stored job or, with `success` set, a stored result; arguments and outcome still JSON."""

    function: str
    args: list[msgspec.Raw]
    kwargs: dict[str, msgspec.Raw]
    enqueued_ms: int
    tries: int | None = None
    version: int = VERSION
    headers: dict[str, str] = {}
    success: bool | None = None
    outcome: msgspec.Raw = msgspec.Raw(b"null")
    started_ms: int = 0
    finished_ms: int = 0
    queue: str = "<unknown>"
    job_id: str = "<unknown>"

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and named arguments in their declared types; or raise DecodeError."""
        job = declared().get(self.function)
        if job is None:
            plain = msgspec.json.decode
            return tuple(map(plain, self.args)), {k: plain(raw) for k, raw in self.kwargs.items()}
        if len(self.args) > len(job.parameters):
            raise DecodeError(
                f"{len(self.args)} positional arguments for {job.name}{job.signature}"
            )
        by_position = zip(job.parameters, self.args, strict=False)  # the rest come by name
        return (
            tuple(_decode_argument(job, name, raw) for name, raw in by_position),
            {name: _decode_argument(job, name, raw) for name, raw in self.kwargs.items()},
        )

    def result(self) -> Any:
        """Return what a job that succeeded returned, in its declared type; or raise DecodeError."""
        job = declared().get(self.function)
        if job is None:
            return msgspec.json.decode(self.outcome)
        return _decode(job.result, self.outcome, f"result of {self.function}")

    def failure(self) -> Failure:
        """Return why a job failed; arq leaves a mere text where it could not write the result."""
        try:
            return msgspec.json.decode(self.outcome, type=Failure)
        except msgspec.ValidationError:
            text = str(msgspec.json.decode(self.outcome))
            return Failure("arq.jobs.SerializationError", text)


def serialize(data: dict[str, Any], *, limit: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Write a job or a result: arq's `job_serializer`.

    Raises EncodeError when JSON would change a value, PayloadTooLarge above `limit` bytes (a
    result, which repeats the arguments, may have twice as many). Both name the job.
    """
    body = {"v": VERSION, **data}
    is_result = "s" in data
    if is_result and isinstance(data["r"], BaseException) and not data["s"]:
        body["r"] = describe(data["r"])
    try:
        for value in (*data["a"], *data["k"].values(), data.get("r")):
            refuse_inexact(value)
        payload = encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"job {data['f']}: {error}") from error
    allowed = 2 * limit if is_result else limit
    if len(payload) > allowed:
        raise PayloadTooLarge(
            f"job {data['f']}: its {'result' if is_result else 'payload'} has {len(payload):,} "
            f"bytes, at most {allowed:,} are allowed; pass an id or a URL instead of the data"
        )
    return payload


def deserialize(payload: bytes) -> dict[str, Any]:
    """Read a job or a result with arq's keys: arq's `job_deserializer`. Raises DecodeError."""
    record = parse(payload)
    args, kwargs = record.arguments()
    data = {
        "f": record.function,
        "a": args,
        "k": kwargs,
        "t": record.tries,
        "et": record.enqueued_ms,
    }
    if record.success is None:
        return data
    return data | {
        "s": record.success,
        "r": record.result() if record.success else rebuild(record.failure()),
        "st": record.started_ms,
        "ft": record.finished_ms,
        "q": record.queue,
        "id": record.job_id,
    }


def parse(payload: bytes) -> Record:
    """Read a stored payload without its values; raise DecodeError when it is none of ours."""
    if payload[:1] == _PICKLE:
        raise NotJSON(
            "the payload is a pickle, which is never read; its sender must pass "
            "job_serializer=service.queue.codec.serialize"
        )
    try:
        record = _records.decode(payload)
    except msgspec.ValidationError as error:
        raise DecodeError(f"the payload is no job of arq: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJSON(f"the payload is not JSON: {error}") from error
    if record.version > VERSION:
        raise DecodeError(
            f"the payload has version {record.version}, this release reads up to {VERSION}; "
            "upgrade the workers before the clients"
        )
    return record


def _decode_argument(job: JobType[..., Any], name: str, raw: msgspec.Raw) -> Any:
    if name not in job.parameters:
        raise DecodeError(f"unknown argument {name} for {job.name}{job.signature}")
    return _decode(job.parameters[name], raw, f"argument {name} of {job.name}")


def _decode(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, what: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise DecodeError(f"{what}: {error}") from error


_records = msgspec.json.Decoder(Record)
