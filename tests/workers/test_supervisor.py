"""The supervisor of worker processes: restarts, releases, stops, and follows the backlog."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from service.kit import children
from tests.embedded.helpers import alive, spawned
from tests.workers import supervised
from tests.workers.supervised import QUICK, House, until
from workers.engine.scaling import Scaling
from workers.engine.supervisor import RECYCLED, Pace, Supervisor

pytestmark = pytest.mark.asyncio


async def test_a_killed_process_is_followed_by_another(tmp_path: Path) -> None:
    """V100, rule 15: what it left behind is gone before its leases are released, by incarnation."""
    seen: list[list[int]] = []

    async def look(incarnation: str) -> None:
        child = int((tmp_path / f"{incarnation}.child").read_text())
        seen.append([pid for pid in (first, child) if alive(pid)])

    house = House(tmp_path, "family", look)
    async with house.supervised() as (supervisor, _):
        first = await house.pid(0)
        assert supervisor.pids == [first]
        os.kill(first, signal.SIGKILL)
        second = await house.pid(1)
        assert second != first
        assert supervisor.pids == [second]
        assert house.released == [house.incarnation(0)]
        assert seen == [[]]
        assert house.incarnation(0) != house.incarnation(1)


async def test_closed_pipes_are_no_death(tmp_path: Path) -> None:
    """Rule 15: only waiting for the process tells that it is dead."""
    house = House(tmp_path, "mute")
    async with house.supervised() as (supervisor, _):
        pid = await house.pid(0)
        await asyncio.sleep(0.3)
        assert supervisor.pids == [pid]
        assert (len(house.begun), house.released) == (1, [])


async def test_a_recycled_process_is_replaced_at_once(tmp_path: Path) -> None:
    """Exit code 75 is no failure, however often it comes."""
    house = House(tmp_path, str(RECYCLED))
    async with house.supervised(pace=Pace(pauses=(0, 60))):
        await until(lambda: len(house.begun) > 6, 30)
    assert house.released[:6] == [name for _, name in house.begun[:6]]


async def test_one_that_dies_young_waits_longer_each_time(tmp_path: Path) -> None:
    """The first death costs no pause, later ones more and more up to a bound."""
    house = House(tmp_path, "3")
    async with house.supervised(pace=Pace(pauses=(0, 0, 1, 1.5))):
        await until(lambda: len(house.begun) > 3, 20)
    times = [when for when, _ in house.begun]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[0] < waits[1] + 1
    assert waits[1] >= 1
    assert waits[2] >= 1.5


async def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    """Nobody waits for the restart of a process that shall not run."""
    house = House(tmp_path, "3")
    async with house.supervised(pace=Pace(pauses=(0, 60))) as (supervisor, task):
        await until(lambda: len(house.released) == 1)
        supervisor.stop()
        async with asyncio.timeout(1):
            await task
    assert len(house.begun) == 1


async def test_a_failed_release_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is away, or does not answer: the process is restarted, its leases will expire."""
    monkeypatch.setattr(children, "RELEASE_WITHIN", 0.1)

    async def fail(_: str) -> None:
        if len(house.begun) == 1:
            raise ConnectionError("no Redis")
        await asyncio.sleep(60)

    house = House(tmp_path, "serve", fail)
    async with house.supervised():
        for number in range(2):
            os.kill(await house.pid(number), signal.SIGKILL)
        await house.pid(2)
    assert house.released == []
    reasons = [record.args[1] for record in caplog.records if "not released" in record.msg]  # type: ignore[index] # our own message
    assert [type(reason) for reason in reasons] == [ConnectionError, TimeoutError]


async def test_one_that_cannot_be_started(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without memory for a new process the running one goes on."""
    house = House(tmp_path, "serve")
    attempts = 0

    def start(environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            raise BlockingIOError("too many processes")
        return house.start(environment)

    supervisor = Supervisor(start, 2, release=house.release, pace=QUICK)
    task = asyncio.create_task(supervisor.run())
    pids = {await house.pid(0), await house.pid(1)}
    assert set(supervisor.pids) == pids
    assert "a worker cannot be started: too many processes" in caplog.messages
    supervisor.stop()
    await task


async def test_a_stop_waits_for_running_jobs(tmp_path: Path) -> None:
    """Told once, both end by themselves, are released and not started again."""
    house = House(tmp_path, "serve")
    async with house.supervised(2) as (supervisor, task):
        pids = [await house.pid(0), await house.pid(1)]
        began = time.monotonic()
        supervisor.stop()
        await task
        assert 0.4 < time.monotonic() - began < 5
    assert [alive(pid) for pid in pids] == [False, False]
    assert [house.told(0), house.told(1)] == [1, 1]
    assert sorted(house.released) == sorted(name for _, name in house.begun)
    assert len(house.begun) == 2


async def test_a_second_stop_is_passed_on(tmp_path: Path) -> None:
    """Told twice, a worker lets go of its jobs."""
    house = House(tmp_path, "serve")
    async with house.supervised() as (supervisor, task):
        await house.pid(0)
        supervisor.stop()
        await until(lambda: house.told(0) == 1)
        supervisor.stop()
        await task
    assert house.told(0) == 2


@pytest.mark.parametrize("stops", [2, 3])
async def test_who_does_not_listen_is_killed(tmp_path: Path, stops: int) -> None:
    """Some time after the second stop, or at the third one."""
    house = House(tmp_path, "ignore")
    async with house.supervised() as (supervisor, task):
        pid = await house.pid(0)
        supervisor.stop()
        await asyncio.sleep(0.4)
        assert alive(pid)
        began = time.monotonic()
        for _ in range(stops - 1):
            supervisor.stop()
        async with asyncio.timeout(5):
            await task
        if stops == 2:
            assert time.monotonic() - began >= 1
    assert not alive(pid)


async def test_cancelled_it_leaves_no_process(tmp_path: Path) -> None:
    """Whoever ends the supervisor by force ends its processes and theirs."""
    house = House(tmp_path, "family")
    async with house.supervised(2) as (_, task):
        pids = [await house.pid(0), await house.pid(1)]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    files = [(tmp_path / name).with_suffix(".child") for _, name in house.begun]
    grandchildren = [int(file.read_text()) for file in files]
    assert [pid for pid in pids + grandchildren if alive(pid)] == []


async def test_it_ends_with_the_last_that_ended_well(tmp_path: Path) -> None:
    """Exit code 0 means that the queue is empty, or that somebody told the worker to stop."""
    house = House(tmp_path, "0")
    async with house.supervised(3) as (_, task):
        async with asyncio.timeout(10):
            await task
    assert len(house.begun) == 3


async def test_one_that_was_told_to_stop_has_no_successor(tmp_path: Path) -> None:
    """N052: the others go on; what it held is released."""
    house = House(tmp_path, "serve")
    async with house.supervised(2) as (supervisor, task):
        pids = [await house.pid(0), await house.pid(1)]
        os.kill(pids[0], signal.SIGTERM)
        await until(lambda: not alive(pids[0]))
        await until(lambda: supervisor.pids == pids[1:])
        os.kill(pids[1], signal.SIGTERM)
        async with asyncio.timeout(10):
            await task
    assert sorted(house.released) == sorted(name for _, name in house.begun)
    assert len(house.begun) == 2


async def test_processes_follow_the_backlog(tmp_path: Path) -> None:
    """Up to the maximum while jobs wait, down to the minimum after a quiet time.

    The newest ends first. One that has been told is not told again by the first stop.
    """
    ready = 5

    async def probe() -> int:
        return ready

    house = House(tmp_path, "serve")
    async with house.supervised(1, 3, probe=probe) as (supervisor, task):
        pids = [await house.pid(number) for number in range(3)]
        await asyncio.sleep(0.3)
        assert supervisor.pids == pids
        ready = 0
        await until(lambda: house.told(2) == 1)
        supervisor.stop()
        await task
    assert [house.told(number) for number in range(3)] == [1, 1, 1]

    house = House(tmp_path, "serve")
    async with house.supervised(1, 2, probe=probe) as (supervisor, _):
        ready = 1
        pids = [await house.pid(0), await house.pid(1)]
        ready = 0
        await until(lambda: supervisor.pids == pids[:1])
        await asyncio.sleep(0.5)
        assert supervisor.pids == pids[:1]


async def test_a_failing_probe_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis is away for a moment: the supervisor looks again."""
    answers: Iterator[int | OSError] = iter([OSError("away"), OSError("away")])

    async def probe() -> int:
        answer = next(answers, 1)
        if isinstance(answer, OSError):
            raise answer
        return answer

    house = House(tmp_path, "serve")
    async with house.supervised(1, 2, probe=probe):
        await house.pid(1)
    assert caplog.messages.count("the backlog cannot be read: OSError('away')") == 2


async def test_when_to_grow_and_to_shrink() -> None:
    """One more after each second of waiting jobs, one less after each quiet minute."""
    scaling = Scaling(1, 3, grow_after=1, shrink_after=60)

    def decide(now: float, ready: int, running: int) -> int:
        return scaling.decide(now, ready, running)

    assert [decide(0, 1, 1), decide(0.9, 1, 1), decide(1, 1, 1)] == [0, 0, 1]
    assert [decide(1.5, 1, 2), decide(2, 1, 2), decide(9, 1, 3)] == [0, 1, 0]
    assert [decide(10, 0, 3), decide(10.5, 1, 2), decide(11.4, 1, 2)] == [0, 0, 0]
    assert [decide(20, 0, 3), decide(79, 0, 3), decide(80, 0, 3)] == [0, 0, -1]
    assert [decide(81, 0, 2), decide(140, 0, 2), decide(300, 0, 1)] == [0, -1, 0]


async def test_a_range_that_cannot_be() -> None:
    """It is refused before anything starts."""
    house = House(Path(), "serve")
    for minimum, maximum in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match=f"{minimum}..{maximum} processes: needed is 1 <="):
            Supervisor(house.start, minimum, maximum, release=house.release)
    with pytest.raises(ValueError, match=r"1..2 processes need a probe"):
        Supervisor(house.start, 1, 2, release=house.release)
    assert house.begun == []


@contextmanager
def supervising(folder: Path, behaviour: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a supervisor of two processes as a process of its own."""
    with spawned([sys.executable, supervised.__file__, str(folder), behaviour]) as process:
        yield process


async def serving(folder: Path, number: int) -> list[int]:
    """Wait until so many children have begun to serve; return their processes."""

    def files() -> list[Path]:
        return [file for file in folder.iterdir() if not file.suffix]

    await until(lambda: len(files()) == number, 10)
    return [int(file.read_text().split()[0]) for file in files()]


async def test_sigterm_ends_all(tmp_path: Path) -> None:
    """The process passes it on, waits, releases, and ends with 0."""
    with supervising(tmp_path, "serve") as process:
        pids = await serving(tmp_path, 2)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert [pid for pid in pids if alive(pid)] == []
    assert len((tmp_path / "released").read_text().split()) == 2


async def test_second_ctrl_c_lets_go(tmp_path: Path) -> None:
    """SIGINT counts as SIGTERM does; children that do not listen do not survive."""
    with supervising(tmp_path, "ignore") as process:
        pids = await serving(tmp_path, 2)
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert [alive(pid) for pid in pids] == [True, True]
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert [pid for pid in pids if alive(pid)] == []


async def test_killed_it_leaves_no_worker(tmp_path: Path) -> None:
    """SIGKILL of the supervisor kills its children."""
    with supervising(tmp_path, "serve") as process:
        pids = await serving(tmp_path, 2)
        process.kill()
        await until(lambda: not any(alive(pid) for pid in pids), 2)


async def test_where_the_kernel_has_no_pidfd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old kernel or a strict container: deaths are seen by asking, a little later."""

    def refuse(_: int) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    house = House(tmp_path, "serve")
    async with house.supervised():
        os.kill(await house.pid(0), signal.SIGKILL)
        await house.pid(1)
        assert house.released == [house.incarnation(0)]


async def test_what_a_return_code_means() -> None:
    """People read signal names."""
    codes = (0, 3, -9, -40)
    words = [children.describe(code) for code in codes]
    assert words == ["exit code 0", "exit code 3", "SIGKILL", "signal 40"]
