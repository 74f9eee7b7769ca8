"""Spans as a collector gets them: one trace from the request to the last call of its job."""

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from service.config import Settings
from service.errors import ConfigurationError
from service.kit import tracing
from service.kit.context import LOG_FIELDS, set_to
from service.posts.jobs import sweep
from service.queue import HEADERS, queue_key
from service.runtime import Runtime, open_runtime
from service.telemetry import recording
from tests.observability.conftest import Lines
from tests.observability.test_requests import PARENT, TRACE
from tests.servers.collector import Collector, Seen
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation
from workers.together import Together

pytestmark = pytest.mark.asyncio


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An empty collector."""
    with Collector() as collector:
        yield collector


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    """Somewhere to publish to."""
    with WebhookServer() as hook:
        yield hook


@pytest_asyncio.fixture
async def published(
    api: Installation, collector: Collector, hook: WebhookServer, lines: Lines
) -> AsyncIterator[Collector]:
    """The spans of one post, from the request to the platform."""
    account = await api.connect("webhook", {"url": f"{hook.url}/hook?token=in-the-query"})
    body = {"text": "Not in any span", "accounts": [account]}
    async with recording(collector.url, "test"):
        assert (await api.post("/v1/posts", body, headers=PARENT)).status_code == 201
        await api.work()
    assert [post["text"] for post in hook.posts] == ["Not in any span"]
    yield collector


def only(spans: list[Seen]) -> Seen:
    """Return the one span."""
    (span,) = spans
    return span


async def test_one_trace_from_the_request_to_the_platform(published: Collector) -> None:
    """Part 4: request → enqueue → wait → run → SQL and HTTP; every parent is the right one."""
    request = only(published.of("server"))
    assert (request.name, request.parent) == ("POST /v1/posts", "00f067aa0ba902b7")
    assert request.attributes["http.route"] == "/v1/posts"
    assert request.attributes["http.response.status_code"] == 201

    sent = only(published.of("producer"))
    assert (sent.name, sent.parent) == ("send posts.publish", request.id)
    assert sent.attributes["messaging.batch.message_count"] == 1
    assert sent.attributes["messaging.destination.name"] == "publishing"

    run = only(published.of("consumer"))
    assert (run.name, run.parent) == ("run posts.publish", sent.id)
    assert run.attributes["almanac.outcome"] == "succeeded"
    assert (run.attributes["almanac.try"], run.failed) == (1, None)
    assert 0 <= run.attributes["almanac.wait_ms"] <= (run.begin - request.begin) / 1e6 + 1000

    calls = {span.name for span in published.below(run)}
    assert calls == {"UPDATE", "WITH", "POST 127.0.0.1"}
    assert {s.name for s in published.below(request)} >= {"SELECT", "INSERT", sent.name}
    assert {span.trace for span in published.spans} == {TRACE}
    known = {span.id for span in published.spans}
    assert {s.parent for s in published.spans if s is not request} <= known
    assert {span.service for span in published.spans} == {"almanac-test"}


async def test_spans_have_statements_without_values(published: Collector) -> None:
    """T082: of SQL the text, of HTTP host and template; no value, no query."""
    statements = [s for s in published.of("client") if "db.query.text" in s.attributes]
    assert any("INSERT INTO posts" in s.attributes["db.query.text"] for s in statements)
    (call,) = [s for s in published.of("client") if s.name == "POST 127.0.0.1"]
    assert call.attributes["url.template"] == "/hook"
    assert call.attributes["http.response.status_code"] == 204
    assert "Not in any span" not in str(published.spans)
    assert "in-the-query" not in str(published.spans)


async def test_a_failed_call_is_seen(
    api: Installation, collector: Collector, hook: WebhookServer
) -> None:
    """The job's span and the statement's say what went wrong."""
    account = await api.connect("webhook", {"url": f"{hook.url}/hook"})
    hook.fail(Fault("/hook", 400))
    async with recording(collector.url, "test"):
        await api.schedule([account])
        await api.work()
        with pytest.raises(Exception, match="no_such_table"):
            async with api.runtime.unit_of_work() as uow:
                with tracing.span("server", "test", {}):
                    await api.sql("SELECT 1 FROM no_such_table")
                    await uow.session.flush()
    (call,) = [s for s in collector.of("client") if s.name == "POST 127.0.0.1"]
    assert call.attributes["http.response.status_code"] == 400
    failed = only([s for s in collector.of("client") if s.failed is not None])
    assert failed.attributes["error.type"] == "ProgrammingError"
    assert failed.attributes["db.query.text"] == "SELECT 1 FROM no_such_table"


async def test_a_batch_is_sent_in_one_span(runtime: Runtime, collector: Collector) -> None:
    """However many jobs; what is sent outside of a request begins a trace."""
    async with recording(collector.url, "test"):
        jobs = await runtime.queue.enqueue_many([sweep(), sweep(), sweep()])
        await runtime.queue.enqueue_job("posts.sweep", _queue_name=queue_key("publishing"))
    first, second = collector.of("producer")
    assert first.attributes["messaging.batch.message_count"] == len(jobs)
    assert (first.parent, second.parent) == ("", "")
    assert first.trace != second.trace
    assert HEADERS.get() == {}


async def test_a_job_without_a_trace_begins_one_that_its_lines_name(
    api: Installation, collector: Collector, lines: Lines
) -> None:
    """Sent by a process that records nothing: the span's trace is the one of logs and history."""
    handle = await api.runtime.queue.enqueue(sweep())
    assert handle is not None
    async with recording(collector.url, "test"):
        await api.work()
    run = only(collector.of("consumer"))
    assert (run.trace, run.parent) == (handle.job_id, "")
    assert {line["trace"] for line in lines.of(job="posts.sweep")} == {run.trace}


async def test_what_belongs_to_nothing_has_no_span(api: Installation, collector: Collector) -> None:
    """The statements of polling loops would be most of all traces."""
    async with recording(collector.url, "test"):
        await api.sql("SELECT 1")
    assert collector.spans == []


async def test_what_is_written_together_belongs_to_nobody_alone(collector: Collector) -> None:
    """Whoever came first does not get the statements, jobs and lines of the others."""
    seen: list[object] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        seen.append((tracing.here(), dict(HEADERS.get()), dict(LOG_FIELDS.get())))
        return items

    async with recording(collector.url, "test"):
        with (
            tracing.span("server", "first", {}),
            set_to(HEADERS, {"actor": "ada"}),
            set_to(LOG_FIELDS, {"actor": "ada"}),
        ):
            await Together(write).ask(1)
            assert tracing.here() is not None
    assert seen == [(None, {}, {})]


async def test_nested_runtimes_record_once(settings: Settings, collector: Collector) -> None:
    """A process that serves several queues opens a runtime for each."""
    traced = settings.model_copy(update={"otlp_endpoint": collector.url})
    async with open_runtime(traced, "worker"), open_runtime(traced, "worker"):
        with tracing.span("server", "once", {}):
            pass
        assert tracing.on()
    assert not tracing.on()
    assert [(span.name, span.service) for span in collector.spans] == [("once", "almanac-worker")]


async def test_a_collector_that_is_away_stops_nothing(api: Installation) -> None:
    """Spans are lost, requests and jobs are not."""
    async with recording("http://127.0.0.1:9", "test"):
        post = await api.schedule([await api.connect()])
        await api.work()
    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_tracing_that_is_not_installed_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start says what to install; nothing was opened."""
    absent: dict[str, Any] = {
        name: None for name in sys.modules if name.startswith("opentelemetry")
    }
    for name, nothing in absent.items():
        monkeypatch.setitem(sys.modules, name, nothing)
    monkeypatch.delitem(sys.modules, "service.telemetry")
    traced = settings.model_copy(update={"otlp_endpoint": "http://collector:4318"})
    with pytest.raises(ConfigurationError, match=r"pip install 'almanac\[otel\]'"):
        async with open_runtime(traced, "api"):
            pass
    assert not tracing.on()
