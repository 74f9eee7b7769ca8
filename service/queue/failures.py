"""Exceptions as JSON: what a failed job leaves as its result, and what the reader gets back."""

import asyncio
import builtins
import traceback

import msgspec
from arq.jobs import DeserializationError, ResultNotFound, SerializationError
from arq.worker import JobExecutionFailed, Retry, RetryJob

from service.kit.redaction import redact
from service.queue.errors import RemoteError
from service.queue.sealing import MASK, seal, unseal
from service.queue.values import encode, refuse_inexact

# Arguments of these types are kept, so that KeyError("x") comes back as KeyError("x").
_PLAIN = frozenset({str, int, bool, type(None)})
# The end of a traceback says where; a deep recursion must not make the record too large.
_TRACEBACK_CHARACTERS = 16_384


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception: dotted name of its class, text, traceback and, where plain, its arguments.

    Of a sensitive job's, all but the class is in `sealed`, encrypted.
    """

    type: str
    message: str
    traceback: str = ""
    arguments: tuple[str | int | float | bool | None, ...] | None = None
    sealed: str = ""


def describe(error: BaseException) -> Failure:
    """Write an exception down; the cause of arq's own serialisation errors joins the message.

    What looks like a secret is masked, since it is stored and shown.
    """
    message = text_of(error)
    arguments = _arguments(error)
    if isinstance(error, SerializationError) and error.__cause__ is not None:
        message = f"{message}: {text_of(error.__cause__)}"
        arguments = None
    lines = "".join(traceback.format_exception(error))
    return Failure(
        type=_type_name(type(error)),
        message=_text(message),
        traceback=_text(redact(lines[-_TRACEBACK_CHARACTERS:])),
        arguments=arguments,
    )


def hide(failure: Failure, function: str) -> Failure:
    """Encrypt the failure of a sensitive job; raise EncodeError without a keyring."""
    sealed = seal(function, "outcome", encode(failure))
    return Failure(failure.type, MASK, sealed=sealed)


def reveal(failure: Failure, function: str) -> Failure:
    """Return a failure as it was before `hide`; raise DecodeError when it cannot be read."""
    if not failure.sealed:
        return failure
    return msgspec.json.decode(unseal(function, "outcome", failure.sealed), type=Failure)


def rebuild(failure: Failure) -> Exception | asyncio.CancelledError:
    """Make the exception again: Python's and arq's own by name, any other as RemoteError.

    The name only selects from a fixed table: nothing is ever imported because a payload says so.
    """
    kind = _REBUILT.get(failure.type)
    remote = RemoteError(failure.type, failure.message, failure.traceback)
    if kind is None:
        return remote
    try:
        error = kind(*(failure.arguments if failure.arguments is not None else [failure.message]))
    except (TypeError, ValueError, ArithmeticError):  # it needs more than text, or other values
        return remote
    if failure.traceback:
        error.add_note(f"Raised in the worker:\n{failure.traceback}")
    return error


def text_of(error: BaseException) -> str:
    """Return an error's text without secrets; what is wrong instead, if it cannot be had."""
    try:
        return redact(str(error))
    except Exception as unkind:  # noqa: BLE001 - the class is the user's
        return f"<its text cannot be had: {type(unkind).__name__}>"


def _type_name(kind: type[BaseException]) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(text: str) -> str:
    """Spell out lone surrogates (undecodable file names): JSON text has none."""
    return text.encode("utf-8", "backslashreplace").decode()


def _arguments(error: BaseException) -> tuple[str | int | float | bool | None, ...] | None:
    if isinstance(error, Retry):  # its delay, in seconds, is an attribute and not in args
        return (error.defer_score / 1000,) if error.defer_score else ()
    if not all(type(argument) in _PLAIN for argument in error.args):
        return None
    try:
        refuse_inexact(error.args)
    except ValueError:  # an integer beyond 64 bits: its text remains
        return None
    return tuple(_text(redact(a)) if isinstance(a, str) else a for a in error.args)


_REBUILT: dict[str, type[Exception] | type[asyncio.CancelledError]] = {
    _type_name(kind): kind
    for kind in (
        *(k for k in vars(builtins).values() if isinstance(k, type) and issubclass(k, Exception)),
        asyncio.CancelledError,
        DeserializationError,
        JobExecutionFailed,
        ResultNotFound,
        Retry,
        RetryJob,
        SerializationError,
    )
}
