"""arq's payloads as JSON: the serializer and deserializer of every client and worker.

A payload keeps arq's own keys (f, a, k, t, et; of a result also s, r, st, ft, q, id) beside `v`,
the version of this format, and `h`, optional headers. Arguments and results are decoded into the
types that the function's declaration states; those of an undeclared function stay plain JSON.
Of a sensitive job, arguments are encrypted in `c` and results and errors in `sealed` inside `r`.
Pickle is never read.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from service.queue.declaration import JobType, declared
from service.queue.errors import DecodeError, EncodeError, NotJSON, PayloadTooLarge
from service.queue.failures import Failure, describe, hide, rebuild, reveal
from service.queue.sealing import seal, unseal
from service.queue.sealing import use_keyring as use_keyring  # part of the codec's interface
from service.queue.values import encode, refuse_inexact

VERSION = 2
"""The newest version read here; what is not encrypted is written as version 1."""
PLAIN = 1
MAX_PAYLOAD_BYTES = 1_048_576
_PICKLE = b"\x80"
_DECLARED = declared()


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
        "sealed": "c",
        "success": "s",
        "outcome": "r",
        "started_ms": "st",
        "finished_ms": "ft",
        "queue": "q",
        "job_id": "id",
    },
):
    """A stored job or, with `success` set, a stored result; arguments and outcome still JSON.

    In the stream of events `success` is null for a run that failed and is tried again.
    """

    function: str
    args: list[msgspec.Raw]
    kwargs: dict[str, msgspec.Raw]
    enqueued_ms: int
    tries: int | None = None
    version: int = PLAIN
    headers: dict[str, str] = {}
    sealed: str = ""
    success: bool | None = None
    outcome: msgspec.Raw = msgspec.Raw(b"null")
    started_ms: int = 0
    finished_ms: int = 0
    queue: str = "<unknown>"
    job_id: str = "<unknown>"

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and named arguments in their declared types; or raise DecodeError."""
        args, kwargs = self._open() if self.sealed else (self.args, self.kwargs)
        job = _DECLARED.get(self.function)
        if job is None:
            plain = msgspec.json.decode
            return tuple(map(plain, args)), {k: plain(raw) for k, raw in kwargs.items()}
        if len(args) > len(job.parameters):
            raise DecodeError(f"{len(args)} positional arguments for {job.name}{job.signature}")
        decoders = job.parameters
        try:
            by_position = zip(decoders.values(), args, strict=False)  # the rest come by name
            return (
                tuple([decoder.decode(raw) for decoder, raw in by_position]) if args else (),
                {name: decoders[name].decode(raw) for name, raw in kwargs.items()},
            )
        except (KeyError, msgspec.ValidationError):
            _refuse_arguments(job, args, kwargs)
            raise

    def result(self) -> Any:
        """Return what a job that succeeded returned, in its declared type; or raise DecodeError."""
        outcome = self.outcome
        if self.sealed:
            hidden = msgspec.json.decode(self.outcome, type=_Hidden)
            outcome = msgspec.Raw(unseal(self.function, "outcome", hidden.sealed))
        job = _DECLARED.get(self.function)
        if job is None:
            return msgspec.json.decode(outcome)
        return _decode(job.result, outcome, f"result of {self.function}")

    def failure(self) -> Failure:
        """Return why a job failed; raise DecodeError when it is encrypted and cannot be read."""
        return reveal(self.shown_failure(), self.function)

    def shown_failure(self) -> Failure:
        """Return why a job failed, of a sensitive one only the class of the error."""
        try:
            return msgspec.json.decode(self.outcome, type=Failure)
        except msgspec.ValidationError:  # arq leaves a text where it could not write the result
            text = str(msgspec.json.decode(self.outcome))
            return Failure("arq.jobs.SerializationError", text)

    @property
    def sensitive(self) -> bool:
        """Whether its values are to be shown to nobody who does not ask for them."""
        job = _DECLARED.get(self.function)
        return bool(self.sealed) or (job is not None and job.sensitive)

    def _open(self) -> tuple[list[msgspec.Raw], dict[str, msgspec.Raw]]:
        opened = msgspec.json.decode(unseal(self.function, "arguments", self.sealed), type=_Hidden)
        return opened.a, opened.k


class _Hidden(msgspec.Struct):
    """What is inside of, or stands for, encrypted values."""

    a: list[msgspec.Raw] = []
    k: dict[str, msgspec.Raw] = {}
    sealed: str = ""


def serialize(data: dict[str, Any], *, limit: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Write a job or a result: arq's `job_serializer`.

    Raises EncodeError when JSON would change a value, PayloadTooLarge above `limit` bytes (a
    result, which repeats the arguments, may have twice as many). Both name the job.
    """
    body = {"v": PLAIN, **data}
    is_result = "s" in data
    if is_result and isinstance(data["r"], BaseException) and not data["s"]:
        body["r"] = describe(data["r"])
    try:
        for value in (*data["a"], *data["k"].values(), data.get("r")):
            refuse_inexact(value)
        job = _DECLARED.get(data["f"])
        payload = encode(_sealed(body) if job is not None and job.sensitive else body)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"job {data['f']}: {error}") from error
    allowed = 2 * limit if is_result else limit
    if len(payload) > allowed:
        raise PayloadTooLarge(
            f"job {data['f']}: its {'result' if is_result else 'payload'} has {len(payload):,} "
            f"bytes, at most {allowed:,} are allowed; pass an id or a URL instead of the data"
        )
    return payload


def serialize_failure(function: str, error: BaseException) -> bytes:
    """Write the error of one try, as a job's list of attempts holds it; raises EncodeError."""
    job = _DECLARED.get(function)
    failure = describe(error)
    return encode(hide(failure, function) if job is not None and job.sensitive else failure)


def parse_failure(payload: bytes) -> Failure:
    """Read the error of one try, of a sensitive job only its class; or raise DecodeError."""
    try:
        return msgspec.json.decode(payload, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"the error of a try cannot be read: {error}") from error


def serialize_end(  # noqa: PLR0913 - the parts of a result
    record: Record,
    error: BaseException,
    *,
    job_id: str,
    queue: str,
    tries: int,
    now_ms: int,
) -> bytes:
    """Write the result of a job that ended without a run, from its payload as it is stored.

    `error` must tell no secret: it stays readable where the arguments are encrypted.
    """
    return msgspec.json.encode(
        msgspec.structs.replace(
            record,
            enqueued_ms=record.enqueued_ms or now_ms,
            tries=tries,
            success=False,
            outcome=msgspec.Raw(encode(describe(error))),
            started_ms=now_ms,
            finished_ms=now_ms,
            queue=queue,
            job_id=job_id,
        )
    )


def serialize_outcome(  # noqa: PLR0913 - the parts of a result
    record: Record,
    value: object,
    *,
    success: bool | None,
    job_id: str,
    queue: str,
    tries: int,
    started_ms: int,
    finished_ms: int,
) -> bytes:
    """Write the result of a run from its payload as it is stored and what came of it.

    `value` is what the job returned, or the error that it raised; both are encrypted where the
    arguments are. `success` is None for a run that failed and is tried again. Raises EncodeError
    when JSON would change the value, PayloadTooLarge.
    """
    try:
        if success:
            refuse_inexact(value)
            outcome = b"null" if value is None else encode(value)
            if record.sensitive:
                outcome = encode({"sealed": seal(record.function, "outcome", outcome)})
        else:
            assert isinstance(value, BaseException)
            outcome = serialize_failure(record.function, value)
        result = _results.encode(
            Record(
                record.function, record.args, record.kwargs, record.enqueued_ms or finished_ms,
                tries, record.version, record.headers, record.sealed, success,
                msgspec.Raw(outcome), started_ms, finished_ms, queue, job_id,
            )
        )  # fmt: skip
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"job {record.function}: {error}") from error
    if len(result) > 2 * MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"job {record.function}: its result has {len(result):,} bytes, at most "
            f"{2 * MAX_PAYLOAD_BYTES:,} are allowed; return an id or a URL instead of the data"
        )
    return result


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


def _sealed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a payload whose values are encrypted."""
    function = body["f"]
    hidden = encode({"a": body["a"], "k": body["k"]})
    body |= {"v": VERSION, "a": (), "k": {}, "c": seal(function, "arguments", hidden)}
    if "s" in body:
        outcome = body["r"]
        if isinstance(outcome, Failure):
            body["r"] = hide(outcome, function)
        elif body["s"]:
            body["r"] = {"sealed": seal(function, "outcome", encode(outcome))}
    return body


def with_headers(payload: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a job's payload with other values of these headers; raise DecodeError."""
    record = parse(payload)
    merged = {**record.headers, **headers}
    return msgspec.json.encode(msgspec.structs.replace(record, headers=merged))


def readable(payload: bytes | None) -> Record:
    """Return the record of a payload, or of an unknown function when it expired or is unreadable.

    For what works on any job, whoever wrote it.
    """
    try:
        return parse(payload or b"")
    except DecodeError:
        return Record("<unknown>", [], {}, 0)


def _refuse_arguments(
    job: JobType[..., Any], args: Sequence[msgspec.Raw], kwargs: Mapping[str, msgspec.Raw]
) -> None:
    """Raise DecodeError with the name of the first argument that does not fit."""
    for name, raw in chain(zip(job.parameters, args, strict=False), kwargs.items()):
        if name not in job.parameters:
            raise DecodeError(f"unknown argument {name} for {job.name}{job.signature}")
        _decode(job.parameters[name], raw, f"argument {name} of {job.name}")


def _decode(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, what: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise DecodeError(f"{what}: {error}") from error


_records = msgspec.json.Decoder(Record)
_results = msgspec.json.Encoder()
