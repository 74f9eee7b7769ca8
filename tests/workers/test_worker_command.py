"""`almanac worker` with all its options, on real servers."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import cli
from service.commands.worker import WorkerOptions, bounds, count_ready
from service.errors import ConfigurationError
from service.queue import queue_key
from service.runtime import Runtime
from tests.e2e.installed import PROGRAM, place
from tests.e2e.processes import Running, environment_of, running
from tests.embedded.helpers import alive
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation
from tests.workers.supervised import until
from workers.loops import EPOCH

pytestmark = pytest.mark.asyncio
READY = "worker ready"
MAINTENANCE = queue_key("maintenance")


@contextmanager
def worker(runtime: Runtime, folder: Path, *arguments: str) -> Iterator[Running]:
    """Run `almanac worker` on a test's servers."""
    command = [str(PROGRAM), "worker", *arguments]
    with running(command, environment_of(runtime.settings), folder) as process:
        yield process


def children_of(process: Running) -> list[int]:
    """Return a process's children, oldest first."""
    pid = process.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def ready(process: Running, count: int) -> None:
    """Wait until so many workers have said that they are ready."""
    await until(lambda: process.output.count(READY) >= count, 20)


async def healthy(runtime: Runtime, pid: int) -> None:
    """Wait until a process has said in Redis that it serves the maintenance queue."""
    key = f"{MAINTENANCE}:health:{socket.gethostname()}:{pid}"
    async with asyncio.timeout(20):
        while not await runtime.queue.exists(key):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)


async def test_ranges() -> None:
    """A number is a range of one."""
    assert (bounds("--x", "4"), bounds("--x", "3..10")) == ((4, 4), (3, 10))
    for wrong in ("0", "0..4", "5..3", "x", "", "3..", "..3", "-1", "3...4", "1e3", "9" * 5000):
        with pytest.raises(ConfigurationError) as caught:
            bounds("--concurrency", wrong)
        assert caught.value.message == (
            f"--concurrency {wrong}: give a number from 1, such as 4, or a range such as 3..10"
        )


async def test_options_become_arguments_of_the_worker() -> None:
    """T014, T015, N054, K051: a range bounds the slots, a number sets them."""
    assert WorkerOptions(["media"]).overrides == {"burst": False}
    assert WorkerOptions(["media"], concurrency="8").overrides == {"burst": False, "max_jobs": 8}
    every = WorkerOptions(
        ["media"], concurrency="3..10", prefetch=1, max_jobs=1000, max_memory=512, burst=True
    )
    assert every.overrides == {
        "burst": True,
        "min_jobs": 3,
        "max_jobs": 10,
        "prefetch": 1,
        "recycle_after": 1000,
        "recycle_above": 512,
    }


async def test_a_supervised_process_gets_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a person gives reaches each process, but the number of them."""
    given = WorkerOptions(
        queues=["media", "emails"],
        concurrency="3..10",
        prefetch=0,
        max_jobs=5,
        max_memory=512,
        processes="2",
        log_level="DEBUG",
        burst=True,
    )
    parsed: list[WorkerOptions] = []
    monkeypatch.setattr(
        "service.commands.worker.run_worker", lambda _, options: parsed.append(options)
    )
    monkeypatch.setattr("service.cli.start_logging", lambda _: None)
    result = CliRunner().invoke(cli.app, given.command[3:])
    assert (result.exit_code, result.output) == (0, "")
    (found,) = parsed
    assert found.supervised
    assert (found.overrides, found.log_level) == (given.overrides, "DEBUG")
    assert (found.queues, found.processes) == (["media", "emails"], "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["publishing", "--concurrency", "5..3"], "--concurrency 5..3: give a number from 1, "),
        (["publishing", "--processes", "0"], "--processes 0: give a number from 1, such as 4, "),
        (["publishing", "nothing"], "There is no queue 'nothing': give names such as publishing "),
        (["process"], "There is no queue 'process': give names such as publishing "),
    ],
)
async def test_what_cannot_be_is_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Exit code 2, and what is allowed, before any server is needed."""
    refused = await asyncio.to_thread(place(tmp_path).almanac, "worker", *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"Error: {message}")
    assert refused.stderr.count("\n") == 1


async def test_one_process_is_this_process(runtime: Runtime, tmp_path: Path) -> None:
    """T017: without a number of processes nothing supervises; --log-level is heeded."""
    await runtime.queue.set(EPOCH, "known")  # else it warns that Redis was empty
    with worker(runtime, tmp_path, "maintenance", "--log-level", "warning") as silent:
        await healthy(runtime, silent.process.pid)
        silent.process.terminate()
        assert await asyncio.to_thread(silent.process.wait, 20) == 0
        assert silent.output == ""
    with worker(runtime, tmp_path, "maintenance", "--log-level", "debug") as single:
        await ready(single, 1)
        assert "debug" in single.output
        assert "serving ['maintenance'] with {'burst': False}" in single.output
        assert children_of(single) == []
        single.process.terminate()
        assert await asyncio.to_thread(single.process.wait, 20) == 0


@pytest.mark.parametrize("slots", [4, 8])
async def test_so_many_jobs_at_a_time(
    installation: Installation, runtime: Runtime, tmp_path: Path, slots: int
) -> None:
    """G026, G049, T014, K051: with `--concurrency N` N slow jobs overlap, the next one waits."""
    with WebhookServer() as receiver:
        receiver.fail(Fault("/hook", delay=2, times=slots + 1))
        account = await installation.connect("webhook", {"url": f"{receiver.url}/hook"})
        for number in range(slots + 1):
            await installation.schedule([account], f"Slow {number}")
        with worker(runtime, tmp_path, "publishing", f"--concurrency={slots}") as process:
            most = 0
            async with asyncio.timeout(30):
                while len(receiver.posts) <= slots:
                    most = max(most, await publishing_now(installation))
                    await asyncio.sleep(0.05)
            assert most == slots, process.output
            process.process.terminate()
            assert await asyncio.to_thread(process.process.wait, 20) == 0


async def test_only_the_named_queues(
    installation: Installation, runtime: Runtime, tmp_path: Path
) -> None:
    """N055, T016, K052: a worker leaves the jobs of other queues alone; two may be named."""
    other = await runtime.queue.enqueue_job("monitoring.clean", _queue_name=MAINTENANCE)
    assert other is not None
    await installation.schedule([await installation.connect()])
    with worker(runtime, tmp_path, "publishing"):
        await emptied(installation, "publishing")
    assert await installation.queued("maintenance") == [other.job_id]
    await installation.schedule([await installation.connect()])
    with worker(runtime, tmp_path, "publishing", "maintenance"):
        await emptied(installation, "publishing")
        await emptied(installation, "maintenance")


async def emptied(installation: Installation, queue: str) -> None:
    """Wait until a queue has no job."""
    async with asyncio.timeout(20):
        while await installation.queued(queue):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)


async def publishing_now(installation: Installation) -> int:
    """Return how many deliveries are being published."""
    ((count,),) = await installation.sql(
        "SELECT count(*) FROM deliveries WHERE state = 'publishing'"
    )
    return int(count)


async def test_several_processes(runtime: Runtime, tmp_path: Path) -> None:
    """V100: a killed one is replaced; SIGTERM ends all."""
    with worker(runtime, tmp_path, "maintenance", "--processes", "2") as supervisor:
        await ready(supervisor, 2)
        first = children_of(supervisor)[0]
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(set(children_of(supervisor)) - {first}) == 2, 5)
        assert "worker ended by SIGKILL; starting another" in supervisor.output
        await ready(supervisor, 3)
        pids = children_of(supervisor)
        supervisor.process.terminate()
        assert await asyncio.to_thread(supervisor.process.wait, 20) == 0, supervisor.output
        assert "Traceback" not in supervisor.output
        assert [pid for pid in pids if alive(pid)] == []


async def test_burst_with_several_processes(
    installation: Installation, runtime: Runtime, tmp_path: Path
) -> None:
    """They end when the queue is empty, and then the command ends with 0."""
    queued = await runtime.queue.enqueue_job("monitoring.clean", _queue_name=MAINTENANCE)
    assert queued is not None
    with worker(runtime, tmp_path, "maintenance", "--processes", "2", "--burst") as process:
        assert await asyncio.to_thread(process.process.wait, 10) == 0
    assert await installation.queued("maintenance") == []
    await installation.record()
    states = "SELECT state FROM job_runs WHERE job_id = :id"
    assert await installation.sql(states, id=queued.job_id) == [("succeeded",)]


async def test_what_waits_is_counted(runtime: Runtime) -> None:
    """Due and not claimed: no future or running ids, nothing of a paused queue; both lanes."""
    keys = [queue_key("media"), queue_key("emails")]
    now = int(time.time() * 1000)
    assert await count_ready(runtime.queue, keys) == 0
    await runtime.queue.zadd(keys[0], {"due": now - 1, "future or running": now + 60_000})
    await runtime.queue.zadd(keys[0], {"low": now + 299_000})
    await runtime.queue.zadd(f"{keys[0]}:low", {"low": now - 1_000})
    assert await count_ready(runtime.queue, keys) == 2
    await runtime.queue.zadd(keys[1], {"one": now - 5, "two": now - 4})
    assert await count_ready(runtime.queue, keys) == 4
    await runtime.queue.set(f"{keys[0]}:paused", 1)
    assert await count_ready(runtime.queue, keys) == 2
