"""`run_in_process`: CPU-bound work that leaves the loop free and dies with its job."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from tests.embedded.helpers import alive, eventually, spawned
from tests.workers import burner, burning
from tests.workers.supervised import until
from workers.engine.processes import ProcessDied, ProcessPool, close_processes, run_in_process

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def clean_up() -> AsyncIterator[None]:
    """End the processes that a test has left warm."""
    yield
    await close_processes()


async def written(file: Path) -> int:
    """Wait until a function has written its process; return it."""
    await until(lambda: file.exists() and file.read_text() != "", 10)
    return int(file.read_text())  # noqa: ASYNC240 - it is tiny


async def test_result_and_reuse() -> None:
    """Arguments go there, the result comes back, and the process is used again."""
    greeting, first = await run_in_process(burning.whereabouts, greeting="hello")
    assert greeting == "hello"
    assert first != os.getpid()
    assert await run_in_process(burning.whereabouts) == ("", first)


async def test_megabytes_pass() -> None:
    """More than a socket's buffer goes there and back."""
    payload = os.urandom(5_000_000)
    assert await run_in_process(burning.size, payload) == (5_000_000, payload)


async def test_exception() -> None:
    """It arrives as it was raised, with the traceback of the other process, which goes on."""
    _, pid = await run_in_process(burning.whereabouts)
    with pytest.raises(ValueError, match=r"^bad word\n") as caught:
        await run_in_process(burning.fail, "word")
    (note,) = caught.value.__notes__
    assert 'raise ValueError(f"bad {word}")' in note
    assert await run_in_process(burning.whereabouts) == ("", pid)


async def test_an_exception_that_cannot_be_sent_is_told() -> None:
    """Its type and text arrive, where pickle could not rebuild it."""
    with pytest.raises(RuntimeError, match=r"^Odd: 1 and 2\n"):
        await run_in_process(burning.fail_oddly)


@pytest.mark.parametrize(
    ("function", "arguments", "returncode", "message"),
    [
        (burning.end_by, (signal.SIGKILL,), -9, "end_by ended by SIGKILL, perhaps for want of mem"),
        (burning.crash, (), -11, "crash ended by SIGSEGV$"),
        (burning.leave, (3,), 3, "leave ended by exit code 3$"),
        (burning.fork_and_die, (), -9, "fork_and_die ended by SIGKILL"),
    ],
)
async def test_a_death_is_an_error(
    function: Callable[..., object], arguments: tuple[int, ...], returncode: int, message: str
) -> None:
    """No hang: the error says what ended the process, and the next call gets another one."""
    async with asyncio.timeout(5):
        with pytest.raises(ProcessDied, match=message) as caught:
            await run_in_process(function, *arguments)
    assert caught.value.returncode == returncode
    assert (await run_in_process(burning.whereabouts, greeting="next"))[0] == "next"


async def test_a_process_that_died_idle_is_replaced() -> None:
    """An innocent call does not meet it."""
    _, pid = await run_in_process(burning.whereabouts)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not alive(pid))
    assert (await run_in_process(burning.whereabouts))[1] != pid


async def test_what_cannot_be_sent_is_refused() -> None:
    """The error says so before any process starts; a result that cannot be sent is one too."""
    with pytest.raises(TypeError, match=r"<lambda> or its arguments cannot be sent"):
        await run_in_process(lambda: 1)
    with pytest.raises(TypeError, match=r"size or its arguments cannot be sent.*lock"):
        await run_in_process(burning.size, threading.Lock())  # type: ignore[arg-type] # on purpose
    with pytest.raises(TypeError, match=r"^a result of type function cannot be sent back"):
        await run_in_process(burning.a_closure)


async def test_cancel_kills(tmp_path: Path) -> None:
    """The busy process and its child are gone before the cancelled task has ended."""
    file = tmp_path / "pid"
    task = asyncio.create_task(run_in_process(burning.burn_beside_child, file))
    pid = await written(file)
    child = int(file.with_suffix(".child").read_text())
    began = time.perf_counter()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - began < 5
    assert not alive(pid)
    assert eventually(lambda: not alive(child), 1)
    assert str(pid) not in children()  # not even as a zombie


async def test_cancel_during_the_start_leaves_nothing() -> None:
    """Whenever the cancel comes, no process is left."""
    before = children()
    for delay in (0, 0.001, 0.01, 0.05):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(delay):
                await run_in_process(burning.nap, 60)
        assert children() == before


def children() -> set[str]:
    """Return this process's children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_killed_with_the_parent(tmp_path: Path) -> None:
    """SIGKILL of the parent ends a busy child."""
    file = tmp_path / "pid"
    with spawned([sys.executable, burner.__file__, str(file)]) as parent:
        pid = await written(file)
        assert alive(pid)
        parent.kill()
        assert eventually(lambda: not alive(pid), 2)


async def test_the_loop_stays_free() -> None:
    """A child that holds the GIL for a second does not delay the loop here."""
    await run_in_process(burning.whereabouts)  # it is warm
    task = asyncio.create_task(run_in_process(burning.hold_gil, 1))
    longest, before = 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    await task
    assert longest < 0.5


async def test_no_more_than_the_limit() -> None:
    """Of three calls with two processes the third begins when one of the others has ended."""
    pool = ProcessPool(limit=2)
    spans = await asyncio.gather(*(pool.run(burning.nap, 1) for _ in range(3)))
    await pool.close()
    (_, first_end), (second_began, _), (third_began, _) = sorted(spans)
    assert second_began < first_end
    assert third_began >= min(end for _, end in spans)


async def test_an_idle_process_is_ended() -> None:
    """Memory is not held for ever."""
    pool = ProcessPool(idle=0.05)
    _, pid = await pool.run(burning.whereabouts)
    while alive(pid):  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.01)
    await pool.close()


async def test_on_uvloop(tmp_path: Path) -> None:
    """The loop that workers use: result, death, cancel."""

    async def use() -> None:
        assert (await run_in_process(burning.size, b"x" * 1_000_000))[0] == 1_000_000
        with pytest.raises(ProcessDied, match="SIGSEGV"):
            await run_in_process(burning.crash)
        task = asyncio.create_task(run_in_process(burning.burn, tmp_path / "pid"))
        pid = await written(tmp_path / "pid")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive(pid)
        await close_processes()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(use())

    await asyncio.to_thread(run)
