"""What the log says of jobs, and that what is stored of their errors has no secrets."""

import json
import logging

import pytest

from service.kit.redaction import protect
from service.queue import HEADERS, QueueClient, RetryPolicy, job
from tests.engine.bench import KEY, QUEUE, seen, send, work
from tests.observability.conftest import Lines
from tests.queue.conftest import client as client
from tests.queue.conftest import valkey_socket_url as valkey_socket_url
from tests.queue.raw import everything
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio
HERE = "tests.observability.test_jobs"
TWICE = RetryPolicy(tries=2, delay=0.01, jitter=0)
ADA = {"trace": "4bf92f3577b34da6a3ce929d0e0e4736", "actor": "ada"}


@job("observability.talk", queue=QUEUE, coroutine=f"{HERE}.talking", retry=TWICE)
async def talk(password: str) -> None:
    """Log a line, then fail."""
    raise NotImplementedError


@job("observability.quiet", queue=QUEUE, coroutine=f"{HERE}.talking", retry=TWICE)
async def quiet() -> None:
    """Fail."""
    raise NotImplementedError


async def talking(ctx: Context, password: str) -> None:
    """See `talk`."""
    logging.getLogger("mine").info("working")
    raise ValueError(f"wrong password={password} for postgresql://u:{password}@db")


async def test_every_line_of_a_job_says_which(client: QueueClient, lines: Lines) -> None:
    """G086, N068, V080, V101: job, id, queue, try, trace and actor, our own lines and others'."""
    token = HEADERS.set(ADA)
    try:
        job_id = await send(client, talk("x"))
    finally:
        HEADERS.reset(token)
    await work(client, run(talk, talking))
    told = lines.of(job_id=job_id)
    assert [(line["logger"], line["level"], line["try"]) for line in told] == [
        ("mine", "info", "1"),
        ("workers.engine.execution", "warning", "1"),
        ("mine", "info", "2"),
        ("workers.engine.execution", "error", "2"),
    ]
    which = {"job": "observability.talk", "queue": "engine", **ADA}
    assert all(which.items() <= line.items() for line in told)


async def test_a_failed_job_is_one_error_with_its_stack(client: QueueClient, lines: Lines) -> None:
    """G075, N060: one line with id, error and stack trace, and no secret; the state is failed."""
    job_id = await send(client, talk("hunter2-hunter2"))
    await work(client, run(talk, talking))
    (line,) = lines.of(level="error")
    assert (line["job_id"], line["trace"]) == (job_id, job_id)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in line["exception"][0]["frames"]][-1] == "talking"
    assert (await seen(client, job_id)).state == "failed"
    assert "hunter2" not in lines.text


@pytest.mark.usefixtures("nothing_known")
async def test_stored_errors_have_no_secrets(client: QueueClient, lines: Lines) -> None:
    """V083: not in the result, the dead job, the earlier tries or the events; whatever was told."""
    protect("the-master-key")

    async def failing(ctx: Context) -> None:
        raise ValueError("the-master-key", 'token="abcdef"')

    await send(client, quiet(), "q")
    await work(client, run(quiet, failing))
    stored = repr(await everything(client))
    assert "ValueError" in stored
    assert "the-master-key" not in stored
    assert "abcdef" not in stored
    view = await seen(client, "q")
    assert view.error is not None
    assert view.error.message == "('***', 'token=***')"


async def test_a_job_that_cannot_be_read_has_its_line_too(
    client: QueueClient, lines: Lines
) -> None:
    """G075: also what fails before its code runs says which job it is."""
    job_id = await send(client, talk("x"))
    payload = json.loads(await client.get(f"arq:job:{job_id}"))
    await client.set(f"arq:job:{job_id}", json.dumps({**payload, "k": {"other": 1}, "a": []}))
    await work(client, run(talk, talking))
    (line,) = lines.of(level="error")
    assert (line["job"], line["job_id"], line["queue"]) == ("observability.talk", job_id, "engine")
    assert KEY.endswith(line["queue"])
