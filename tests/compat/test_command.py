"""`arq SETTINGS`, `--check`, `--burst`, `create_worker`, `run_worker` and signals, in processes."""

import asyncio
import re
import signal

import arq.worker
import pytest
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from service.queue import QueueClient
from tests.compat.bench import JSON, Bench, StockWorker
from tests.compat.plain import Settings
from tests.compat.programs import OURS, STOCK, Programs, until
from tests.compat.test_clients import add, sent
from workers.engine import Worker, install

pytestmark = pytest.mark.asyncio
SLOW = "tests.compat.plain.Slow"


@pytest.fixture
def code(kind: str) -> str:
    """The program of this kind."""
    return {"arq": STOCK, "ours": OURS}[kind]


async def test_a_burst_from_the_command_line(bench: Bench, programs: Programs, code: str) -> None:
    """`arq SETTINGS --burst` runs what is queued and ends with 0; nothing is left of it."""
    jobs = [await sent(bench, "work") for _ in range(10)]
    exit_code, output = await programs.ended(programs.start(code, "--burst"))
    assert (exit_code, [await job.status() for job in jobs]) == (0, ["complete"] * 10), output
    assert len(programs.lines("stopped")) == 1
    assert await bench.redis.keys("*health*") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_interrupts_and_the_job_runs_again(
    bench: Bench, programs: Programs, code: str, number: signal.Signals
) -> None:
    """Without `job_completion_wait`: the worker ends at once, and the job runs elsewhere."""
    process = programs.start(code)
    await programs.ready(1)
    job = await sent(bench, "work", 1)
    await until(lambda: len(programs.lines("start")) == 1)
    process.send_signal(number)
    exit_code, output = await programs.ended(process)
    assert exit_code == 0, output
    assert programs.lines("end") == []
    assert len(programs.lines("stopped")) == 1
    await programs.ended(programs.start(code, "--burst"))
    assert await job.result(timeout=1) == bench_name(code)


async def test_a_signal_lets_running_jobs_finish(
    bench: Bench, programs: Programs, code: str
) -> None:
    """With `job_completion_wait`: what runs is finished, nothing else is begun."""
    process = programs.start(code, settings=SLOW)
    await programs.ready(1)
    first = await sent(bench, "work", 1)
    await until(lambda: len(programs.lines("start")) == 1)
    process.terminate()
    await asyncio.sleep(0.1)
    second = await sent(bench, "work")
    exit_code, output = await programs.ended(process)
    assert exit_code == 0, output
    assert await first.status() == "complete"
    assert await second.status() == "queued"
    assert [job_id for job_id, _ in programs.lines("end")] == [first.job_id]
    await programs.ended(programs.start(code, "--burst"))


HEALTH = re.compile(
    r"^\w{3}-\d\d \d\d:\d\d:\d\d j_complete=(\d+) j_failed=0 j_retried=0 j_ongoing=0 queued=0"
)


async def test_health_is_told(bench: Bench, programs: Programs, code: str) -> None:
    """The health key has arq's text (ours says more), and is gone when the worker has ended."""
    process = programs.start(code)
    await programs.ready(1)
    await (await sent(bench, "work")).result(timeout=5, poll_delay=0.02)
    found = None
    async with asyncio.timeout(10):
        while found is None or found[1] != "1":
            await asyncio.sleep(0.05)
            (key,) = await bench.redis.keys("*:health*") or [None]
            text = await bench.redis.get(key) if key else b""
            found = HEALTH.match(text.decode())
    assert 0 < await bench.redis.pttl(key) <= 2_000
    process.terminate()
    await programs.ended(process)
    assert await bench.redis.keys("*:health*") == []


async def test_check_answers(bench: Bench, programs: Programs, code: str) -> None:
    """`arq SETTINGS --check`: 0 while a worker lives, 1 before and after."""
    assert (await programs.ended(programs.start(code, "--check")))[0] == 1
    process = programs.start(code)
    await programs.ready(1)
    await asyncio.sleep(0.3)
    assert (await programs.ended(programs.start(code, "--check")))[0] == 0
    process.terminate()
    await programs.ended(process)
    output = await programs.ended(programs.start(code, "--check"))
    assert (output[0], "Traceback" in output[1]) == (1, False)


async def test_create_worker(bench: Bench, valkey_socket_url: str) -> None:
    """`create_worker(settings, **more)` takes arq's settings and ours, from a class or a dict."""
    original, check = arq.worker.Worker, arq.cli.check_health  # type: ignore[attr-defined] # arq's import
    install()
    try:
        pool = bench.redis
        worker = arq.worker.create_worker(
            dict(vars(Settings)), redis_pool=pool, handle_signals=False, lease=4
        )
        assert isinstance(worker, Worker)
        assert (worker.lease, worker.max_jobs, worker.health_check_interval) == (4, 10, 1)
        given = {"functions": [add], "redis_pool": pool, "max_crashes": 5, "min_jobs": 2}
        worker = arq.worker.create_worker(given, handle_signals=False)
        assert isinstance(worker, Worker)
        assert (worker.max_crashes, worker.slots.open, worker.slots.most) == (5, 2, 10)
        with pytest.raises(TypeError, match="no_such_setting"):
            arq.worker.create_worker(given, no_such_setting=1)
    finally:
        arq.worker.Worker, arq.cli.check_health = original, check  # type: ignore[misc, attr-defined]


RUN_WORKER = """
import asyncio, sys
from tests.compat import plain
from workers.engine import install
if sys.argv[1] == "ours":
    install()
from arq.worker import run_worker
worker = run_worker(plain.Settings, burst=True)
print(type(worker).__module__, worker.jobs_complete, worker)
"""


async def test_run_worker(bench: Bench, programs: Programs, kind: str) -> None:
    """`run_worker(settings, burst=True)` runs a worker, closes it and returns it."""
    jobs = [await sent(bench, "work") for _ in range(3)]
    process = programs.start(RUN_WORKER, settings=kind)
    exit_code, output = await programs.ended(process)
    assert exit_code == 0, output
    module = {"arq": "arq.worker", "ours": "workers.engine.worker"}[kind]
    assert output.splitlines()[-1] == (
        f"{module} 3 <Worker j_complete=3 j_failed=0 j_retried=0 j_ongoing=0>"
    )
    assert [await job.status() for job in jobs] == ["complete"] * 3


async def test_handle_signals(bench: Bench) -> None:
    """`handle_signals=False` leaves the process's handlers alone, True takes SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    bench.worker([add])
    assert signal.getsignal(signal.SIGTERM) is before
    try:
        bench.worker([add], handle_signals=True)
        assert signal.getsignal(signal.SIGTERM) is not before
        assert loop.remove_signal_handler(signal.SIGINT)
        assert loop.remove_signal_handler(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)


async def test_a_given_health_key(bench: Bench) -> None:
    """`health_check_key` is where health is told, by either kind, and goes at the end."""
    async with bench.serving([add], health_check_key="my:health") as worker:
        async with asyncio.timeout(5):
            while not await bench.redis.exists("my:health"):  # noqa: ASYNC110 - it is in Redis
                await asyncio.sleep(0.02)
    assert worker.health_check_key == "my:health"
    await bench.redis.delete("my:health")


async def test_arqs_own_class_stays_as_it_is(client: QueueClient, valkey_socket_url: str) -> None:
    """What a program imported before `install` is arq's own, and works beside ours."""
    pool = ConnectionPool.from_url(valkey_socket_url)
    redis = ArqRedis(pool, *JSON)
    job = await redis.enqueue_job("add", 1)
    assert job is not None
    worker = await Bench(StockWorker, redis, JSON).work([add])
    assert type(worker).__module__ == "arq.worker"
    assert await job.result() == 2
    await redis.aclose()
    await pool.aclose()


def bench_name(code: str) -> str:
    """Return what the jobs of a program sign with."""
    return {STOCK: "stock", OURS: "ours"}[code]
