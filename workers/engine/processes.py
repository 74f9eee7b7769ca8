"""CPU-bound work of a coroutine job: in another process, which dies with the job.

The pools of the standard library and of anyio do not keep these promises: the first cannot end a
running call, the second cannot say what killed a process, hides its stderr, and leaks a process
when a job is cancelled while it starts.
"""

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from service.kit.children import describe, exited
from service.kit.process import dying_with_us

P = ParamSpec("P")
R = TypeVar("R")
IDLE = 60.0
"""Seconds after which a process that has nothing to do is ended."""
_CHILD = Path(__file__).with_name("process_child.py")
_LENGTH = 8
_LEAVING = 5.0  # seconds for a process that has closed its connection to end by itself


class ProcessDied(Exception):
    """A process ended before its function did: killed, crashed, or by `sys.exit`.

    Attributes:
        returncode: as of subprocess: below zero the number of the signal.
    """

    def __init__(self, function: str, returncode: int) -> None:
        self.returncode = returncode
        hint = ", perhaps for want of memory" if returncode == -signal.SIGKILL else ""
        super().__init__(f"the process of {function} ended by {describe(returncode)}{hint}")


class _Remote:
    """One other process, which runs one function at a time."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(0)
        with theirs:
            self.process = subprocess.Popen(
                # -P: the folder of the script is no place to import from.
                [sys.executable, "-P", str(_CHILD), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the worker; and what it starts ends with it
            )
        self._ending: asyncio.Task[None] | None = None

    async def call(self, request: bytes) -> bytes | None:
        """Return the answer; None when the process ends without one."""
        answering = asyncio.ensure_future(self._exchange(request))
        # Its end alone is certain: what it has forked may hold the connection open.
        ending = asyncio.ensure_future(exited(self.process))
        try:
            await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
            return await answering if answering.done() else None
        except (EOFError, ConnectionError):
            await asyncio.wait({ending}, timeout=_LEAVING)
            return None
        finally:
            answering.cancel()
            ending.cancel()
            await asyncio.gather(answering, ending, return_exceptions=True)

    async def _exchange(self, request: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._connection, len(request).to_bytes(_LENGTH) + request)
        return await self._read(int.from_bytes(await self._read(_LENGTH)))

    async def _read(self, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        buffer = bytearray(length)
        view = memoryview(buffer)
        while view:
            received = await loop.sock_recv_into(self._connection, view)
            if not received:
                raise EOFError
            view = view[received:]
        return bytes(buffer)

    async def end(self) -> int:
        """Kill the process and what it has started, at once; return its code once it is gone.

        The wait may be cancelled: it is gone soon all the same.
        """
        if self._ending is None:
            if self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self._connection.close()
            self._ending = asyncio.ensure_future(exited(self.process))
            self._ending.add_done_callback(lambda _: self.process.wait())
        await asyncio.shield(self._ending)
        return self.process.wait()


class ProcessPool:
    """Processes for one event loop, kept warm for a while.

    Args:
        limit: how many run at a time, by default one for each CPU that this process may use;
            further calls wait.
        idle: seconds after which an unused process is ended.
    """

    def __init__(self, limit: int | None = None, idle: float = IDLE) -> None:
        self._slots = asyncio.Semaphore(limit or _cpus())
        self._idle_limit = idle
        self._idle: dict[_Remote, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[int]] = set()

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function in another process; see `run_in_process`."""
        request = _request(function, args, kwargs)
        async with self._slots:
            remote = self._take()
            try:
                answer = await remote.call(request)
            except BaseException:  # cancelled, whatever else: the work ends with its job
                await remote.end()
                raise
            if answer is None:
                raise ProcessDied(_name(function), await remote.end())
            self._keep(remote)
        return cast("R", _value(answer))

    async def close(self) -> None:
        """End all idle processes; running ones end with the tasks that wait for them."""
        for remote in list(self._idle):
            self._end(remote)
        while self._ending:
            await asyncio.wait(self._ending)

    def _take(self) -> _Remote:
        while self._idle:
            remote, timer = self._idle.popitem()
            timer.cancel()
            if remote.process.poll() is None:
                return remote
            self._ending_of(remote)
        return _Remote()

    def _keep(self, remote: _Remote) -> None:
        loop = asyncio.get_running_loop()
        self._idle[remote] = loop.call_later(self._idle_limit, self._end, remote)

    def _end(self, remote: _Remote) -> None:
        self._idle.pop(remote).cancel()
        self._ending_of(remote)

    def _ending_of(self, remote: _Remote) -> None:
        task = asyncio.get_running_loop().create_task(remote.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, ProcessPool]" = WeakKeyDictionary()


def _pool() -> ProcessPool:
    return _pools.setdefault(asyncio.get_running_loop(), ProcessPool())


async def run_in_process(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in another process and return its result or raise its exception.

    The event loop stays free, also when the function holds the GIL. When the awaiting task is
    cancelled, as a job is at its time limit, the process and the children of its process group are
    killed at once (SIGKILL); the process also dies with this one, however that ends (Linux). As
    many run at a time as this process may use CPUs; processes are used again for a minute.

    Args:
        function: of a module, not nested, no lambda.
        args: for the function; pickle must be able to write them, and the result.
        kwargs: likewise.

    Raises:
        TypeError: function, arguments or result cannot be sent.
        ProcessDied: the process was killed, crashed, or called `sys.exit`.
        Exception: what the function raised, with the other process's traceback as a note.
    """
    return await _pool().run(function, *args, **kwargs)


async def close_processes() -> None:
    """End the idle processes of this loop: the last act of whoever called `run_in_process`."""
    if pool := _pools.pop(asyncio.get_running_loop(), None):
        await pool.close()


def _request(function: Callable[..., object], args: object, kwargs: object) -> bytes:
    if getattr(function, "__module__", None) == "__main__":
        raise TypeError(f"{_name(function)} is in the main script: move it into a module")
    try:
        work = pickle.dumps((dying_with_us(signal.SIGKILL), function, args, kwargs))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"{_name(function)} or its arguments cannot be sent to another process: {error}; "
            "needed are a function of a module and arguments that pickle can write"
        ) from error
    return pickle.dumps((sys.path, work))


def _value(answer: bytes) -> Any:
    """Return the result that an answer of `process_child` carries, or raise its exception."""
    value, trace = pickle.loads(answer)  # noqa: S301 - from our own child
    if trace is None:
        return value
    value.add_note(f"In the other process:\n{trace}")
    raise value


def _name(function: Callable[..., object]) -> str:
    return str(getattr(function, "__qualname__", function))


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
