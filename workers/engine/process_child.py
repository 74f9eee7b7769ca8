"""The other side of `run_in_process`: reads functions from a socket and writes their answers.

It is run as a script, so that the engine and its libraries are imported only if the function needs
them. A request is the caller's `sys.path` and the pickle of (guard, function, arguments, keyword
arguments); an answer is (result, None) or (exception, its traceback). Each is preceded by its
length in 8 bytes.
"""

import pickle
import socket
import sys
import traceback

LENGTH = 8


def answer(work: bytes) -> bytes:
    """Run a function and return its answer."""
    try:
        guard, function, args, kwargs = pickle.loads(work)  # noqa: S301 - from the parent
        guard()
        result = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - it is for the function's caller
        return _failure(error)
    try:
        return pickle.dumps((result, None))
    except Exception as error:  # noqa: BLE001 - a result's own __reduce__ may raise anything
        kind = type(result).__qualname__
        return _failure(TypeError(f"a result of type {kind} cannot be sent back: {error}"))


def _failure(error: Exception) -> bytes:
    trace = traceback.format_exc()
    try:
        sent = pickle.dumps((error, trace))
        pickle.loads(sent)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - an exception's own __init__ or __reduce__ may raise anything
        return pickle.dumps((RuntimeError(f"{type(error).__qualname__}: {error}"), trace))
    return sent


def main(descriptor: int) -> None:
    """Answer until the other side closes."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        while header := stream.read(LENGTH):
            sys.path[:], work = pickle.loads(  # noqa: S301 - from the parent
                stream.read(int.from_bytes(header))
            )
            reply = answer(work)
            stream.write(len(reply).to_bytes(LENGTH) + reply)
            stream.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
