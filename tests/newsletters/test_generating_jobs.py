"""Writing asked for through the API, the old paths and the command line, and done by workers."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from service.config import Settings
from service.newsletters import jobs
from tests.access.helpers import actions_noted
from tests.commands.terminal import Terminal
from tests.engine.bench import until
from tests.servers.faults import Fault
from tests.servers.model import DRAFT, KEY, ModelServer
from tests.servers.web import WebServer, rss
from tests.support import Installation, problems
from workers import emails
from workers.testing import steps

pytestmark = pytest.mark.asyncio
PATH = "/v1/chat/completions"
BEES = "Old gardens feed twice as many bees as new ones, a study found."


@pytest.fixture(scope="module")
def running() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def feed() -> Iterator[str]:
    """A feed of one article."""
    with WebServer() as web:
        entry = ("Bees like old gardens", "https://garden.example/bees", "", BEES)
        yield web.serve("feed.xml", rss("Garden news", entry))


@pytest.fixture
def model(running: ModelServer, api: Installation) -> Iterator[ModelServer]:
    """A model that the workers know; nobody breaks its rules."""
    running.reset()
    known = {"model_key": SecretStr(KEY), "model_url": running.base}
    settings: Settings = api.runtime.settings.model_copy(update=known)
    api.runtime = replace(api.runtime, settings=settings)
    yield running
    assert running.violations == []


async def asked(api: Installation, **body: Any) -> str:
    """Ask for a newsletter; return its job's id."""
    reply = await api.post("/v1/newsletters/generate", body)
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["job_id"]
    assert reply.json()["status_url"] == reply.headers["location"] == f"/v1/jobs/{job_id}"
    return job_id


async def job(api: Installation, job_id: str, wait: int = 0) -> Any:
    """Return a job as the API shows it."""
    return (await api.get(f"/v1/jobs/{job_id}?wait={wait}")).json()


async def test_asking_and_waiting(api: Installation, model: ModelServer) -> None:
    """T001, T024: the request returns at once, the wait ends with subject and content."""
    job_id = await asked(api, topic="The sun")
    assert (await job(api, job_id))["state"] == "queued"
    waiting = asyncio.create_task(job(api, job_id, wait=30))
    await api.work("emails")
    found = await waiting
    assert (found["state"], found["result"]["subject"]) == ("succeeded", "The sun at work")
    assert found["result"]["content"] == json.loads(DRAFT)["content"]
    assert found["result"]["made_by"] == "gpt-4o-mini"
    assert "Manner: short and to the point" in model.asked[0]["messages"][1]["content"]
    assert [entry[1:] for entry in await actions_noted(api)] == [("newsletters.generate", job_id)]
    ttl = await api.runtime.queue.ttl(f"arq:result:{job_id}")
    assert 3590 < ttl <= 3600


async def test_a_feed_without_a_model(api: Installation, feed: str) -> None:
    """T001: with no model configured the result is a summary of the sources, and says so."""
    job_id = await asked(api, topic="bees", style="friendly", sources=[feed])
    await api.work("emails")
    result = (await job(api, job_id))["result"]
    assert result["subject"] == "Bees: Bees like old gardens"
    assert result["content"].startswith("Hello! One article about **bees**.\n\n### [Bees like")
    assert BEES in result["content"]
    assert (result["made_by"], result["sources"][0]["articles"]) == ("summary", 1)


async def test_the_same_request_twice(api: Installation) -> None:
    """An Idempotency-Key gives the first reply again, and there is one job."""
    headers = {"Idempotency-Key": "once"}
    body = {"topic": "The sun"}
    first, second = [
        await api.post("/v1/newsletters/generate", body, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert await api.count("durable_jobs") == 1


async def test_refused_requests_do_nothing(api: Installation) -> None:
    """T036, N059: every problem at once, and no job."""
    body = {"topic": "ab", "style": "x" * 51, "sources": ["ftp://x.example", "nonsense"]}
    reply = await api.post("/v1/newsletters/generate", body)
    assert reply.status_code == 422
    assert set(problems(reply)) == {"topic", "style", "sources[0]", "sources[1]"}
    assert (await api.post("/v1/newsletters/generate", {})).status_code == 422
    reader = await api.new_key("content:read")
    refused = await api.post("/v1/newsletters/generate", {"topic": "The sun"}, key=reader)
    assert refused.status_code == 403
    assert (await api.count("durable_jobs"), await api.queued("emails")) == (0, [])


@pytest.mark.parametrize("asked_wait", [None, "17"])
async def test_retries(api: Installation, model: ModelServer, asked_wait: str | None) -> None:
    """T052, T083: after 60, 120 and 240 s, or when the server says; then dead, with its error."""
    headers = {"retry-after": asked_wait} if asked_wait else {}
    status = 429 if asked_wait else 500
    model.fail(Fault(PATH, status, {"error": {"message": "Busy"}}, headers, times=4))
    job_id = await asked(api, topic="The sun")
    waits = []
    async with steps(emails.WorkerSettings, api.runtime) as queue:
        for expected in (60, 120, 240):
            (run,) = await queue.all()
            assert (run.job_id, run.outcome) == (job_id, "retried")
            waits.append(int(asked_wait or expected))
            await queue.advance(seconds=waits[-1] - 1)
            assert await queue.all() == []
            await queue.advance(seconds=1.5)
        (last,) = await queue.all()
    assert (last.outcome, last.tries) == ("failed", 4)
    found = await job(api, job_id)
    assert (found["state"], found["result"], len(model.calls)) == ("failed", None, 4)
    assert f"status {status}: Busy" in found["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (
            Fault(PATH, 429, {"error": {"code": "insufficient_quota", "message": "No credit"}}),
            "QuotaExceeded",
            "needs credit",
        ),
        (Fault(PATH, 401, {"error": {"message": f"Bad {KEY}"}}), "KeyRefused", "OPENAI_API_KEY"),
        (Fault(PATH, 404, {"error": {"code": "model_not_found"}}), "Refused", "ALMANAC_MODEL"),
    ],
)
async def test_what_waiting_does_not_help(
    api: Installation, model: ModelServer, fault: Fault, error: str, says: str
) -> None:
    """T083: quota, key and model are permanent: one call, dead at once; no secret is told."""
    model.fail(fault)
    job_id = await asked(api, topic="The sun")
    await api.work("emails")
    found = await job(api, job_id)
    assert (found["state"], found["tries"], len(model.calls)) == ("failed", 1, 1)
    assert found["error"]["type"].endswith(error)
    assert says in found["error"]["message"]
    assert KEY not in json.dumps(found)


async def test_a_missing_key_is_a_clean_failure(api: Installation) -> None:
    """T083: neither model nor sources: the job fails once, and says which settings help."""
    job_id = await asked(api, topic="The sun")
    await api.work("emails")
    found = await job(api, job_id)
    assert (found["state"], found["tries"]) == ("failed", 1)
    assert found["error"]["message"] == (
        "No model is configured (OPENAI_API_KEY or OPENAI_BASE_URL) and the newsletter has no "
        "sources: set one of them, or name a feed"
    )


async def test_a_run_that_is_repeated(api: Installation, model: ModelServer) -> None:
    """T052: a worker that died in the middle leaves nothing: the next run writes it whole."""
    job_id = await asked(api, topic="The sun")
    model.fail(Fault(PATH, delay=30))
    worker = api.worker("emails", job_completion_wait=0)
    task = asyncio.create_task(worker.async_run())
    await until(lambda: model.calls)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with steps(emails.WorkerSettings, api.runtime) as queue:
        await queue.advance(seconds=60)
        await queue.all()
    assert len(model.calls) == 2
    assert (await job(api, job_id))["result"]["subject"] == "The sun at work"


async def test_the_old_paths(api: Installation, model: ModelServer) -> None:
    """T036, T037: the old shapes: processing, PENDING, RETRY, SUCCESS with the result."""
    topic = {"topic": "AI in healthcare", "style": "concise"}
    reply = await api.post("/api/generate", topic)
    assert reply.status_code == 202
    task_id = reply.json()["task_id"]
    assert reply.json() == {"status": "processing", "topic": topic["topic"], "task_id": task_id}
    states = []

    async def state() -> Any:
        found = (await api.get(f"/api/task/{task_id}")).json()
        states.append(found["state"])
        return found

    assert await state() == {"state": "PENDING"}
    model.fail(Fault(PATH, 500, {}))
    async with steps(emails.WorkerSettings, api.runtime) as queue:
        await queue.all()
        await state()
        await queue.advance(seconds=61)
        await queue.all()
    assert (await state())["result"]["subject"] == "The sun at work"
    assert states == ["PENDING", "RETRY", "SUCCESS"]


async def test_the_old_paths_tell_of_failures(api: Installation) -> None:
    """T037: FAILURE with its reason; 404 for unknown ids and for other jobs; REVOKED."""
    first, second = [
        (await api.post("/api/generate", {"topic": "The sun"})).json()["task_id"] for _ in range(2)
    ]
    await api.post(f"/v1/jobs/{second}/cancel", {})
    await api.work("emails")
    found = (await api.get(f"/api/task/{first}")).json()
    assert found["state"] == "FAILURE"
    assert found["error"].startswith("No model is configured (OPENAI_API_KEY")
    assert (await api.get(f"/api/task/{second}")).json() == {"state": "REVOKED"}
    other = await api.post("/v1/jobs", {"name": "monitoring.clean"})
    for job_id in ("nothing", other.json()["id"]):
        reply = await api.get(f"/api/task/{job_id}")
        assert (reply.status_code, reply.json()["error"]) == (404, "There is no such task")
    stranger = await api.new_key("content:read", user="bob")
    assert (await api.get(f"/api/task/{first}", key=stranger)).status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        ('{"style": "concise"}', "application/json", 400, "topic is required"),
        ('{"topic": 5}', "application/json", 400, "topic and style must be texts"),
        ('{"topic": "ab"}', "application/json", 400, "topic: must have 3 to 500 characters"),
        (
            json.dumps({"topic": "x" * 501}),
            "application/json; charset=utf-8",
            400,
            "topic: must have 3 to 500 characters",
        ),
        ('{"topic"', "application/json", 400, "The body must be a JSON object"),
        ("[]", "application/json", 400, "The body must be a JSON object"),
        ("topic=x", "application/x-www-form-urlencoded", 415, "Content-Type must be"),
        ('{"topic": "The sun"}', "text/plain", 415, "Content-Type must be application/json"),
    ],
)
async def test_the_old_path_refuses(
    api: Installation, *, content: str, kind: str, status: int, error: str
) -> None:
    """T036: 400 and 415 as before, with `error`; and nothing happens."""
    headers = {"content-type": kind}
    reply = await api.request("POST", "/api/generate", content=content, headers=headers)
    assert reply.status_code == status
    assert reply.json()["error"].startswith(error)
    assert reply.json()["status"] == status
    assert await api.count("durable_jobs") == 0
    bare = await api.http.post("/api/generate", content=content, headers=headers)
    assert bare.status_code == 401


async def test_the_command(
    api: Installation,
    model: ModelServer,
    feed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T023: written in this process, with no queue and no database; printed, or as JSON."""
    terminal = Terminal(api, monkeypatch)
    shown = await terminal.shows("newsletters", "generate", "bees", "--source", feed)
    assert "Bees: Bees like old gardens" in shown
    assert "One article about **bees**." in shown
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", model.base)
    gone = feed.replace("feed.xml", "gone.xml")
    call = ("newsletters", "generate", "bees", "--style", "detailed", "--source", feed)
    told = await terminal.json(*call, "--source", gone)
    assert (told["subject"], told["made_by"]) == ("The sun at work", "gpt-4o-mini")
    assert [source["articles"] for source in told["sources"]] == [1, 0]
    refused = await terminal.refused("newsletters", "generate", "x")
    assert "topic: must have 3 to 500 characters" in str(refused)
    assert await api.count("durable_jobs") == 0


async def test_what_is_declared() -> None:
    """T052: three retries after the first run, 60·2ⁿ s without jitter; results for an hour."""
    policy = jobs.generate.retry
    waits = [policy.delay_before(run, OSError(), random=0.9) for run in (1, 2, 3, 4)]
    assert waits == [60, 120, 240, None]
    assert (jobs.generate.queue, jobs.generate.keep_result) == ("emails", 3600)
    assert jobs.generate.timeout == 300
