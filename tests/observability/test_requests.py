"""Each request has an id, a trace, and one line in the log; its jobs belong to its trace."""

import logging
import re

import pytest

from service.runtime import Runtime
from tests.observability.conftest import Lines
from tests.support import Installation

pytestmark = pytest.mark.asyncio
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


async def test_one_line_per_request(api: Installation, lines: Lines) -> None:
    """N068, V080: method, route, status, time, id, trace, actor; nothing of path and query."""
    answer = await api.get(
        "/v1/jobs/some-id?wait=0", headers={"X-Request-ID": "from-the-proxy", **PARENT}
    )
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (404, "from-the-proxy")
    (line,) = lines.of(logger="service.tracing_middleware")
    assert isinstance(line.pop("ms"), float)
    line.pop("timestamp"), line.pop("event")
    assert line == {
        "logger": "service.tracing_middleware",
        "level": "info",
        "request_id": "from-the-proxy",
        "trace": TRACE,
        "route": "/v1/jobs/{job_id}",
        "method": "GET",
        "status": 404,
        "actor": "admin",
    }
    assert "some-id" not in lines.text
    assert "wait" not in lines.text


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", '"', "é"])
async def test_an_id_that_is_none_is_replaced(api: Installation, lines: Lines, given: str) -> None:
    """Nobody writes into our log by a header."""
    headers = [(b"x-request-id", given.encode())]
    answer = await api.http.get("/livez", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(
    "given",
    [
        "",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7",
        "nonsense",
    ],
)
async def test_a_trace_that_is_none_is_replaced(
    api: Installation, lines: Lines, given: str
) -> None:
    await api.get("/v1/posts", headers={"traceparent": given})
    (line,) = lines.of(route="/v1/posts")
    assert re.fullmatch(r"[0-9a-f]{32}", line["trace"])
    assert line["trace"] != TRACE


async def test_a_path_that_leads_nowhere_is_not_logged(api: Installation, lines: Lines) -> None:
    """T082: somebody may have pasted a token into it."""
    await api.get("/feed/secret-in-the-path")
    (line,) = lines.of(logger="service.tracing_middleware")
    assert (line["route"], line["status"]) == ("-", 404)
    assert "secret-in-the-path" not in lines.text


async def test_probes_are_for_debugging(api: Installation, lines: Lines) -> None:
    """Asked every few seconds, they would be most of the log."""
    assert (await api.http.get("/livez")).status_code == 200
    assert lines.text == ""
    logging.getLogger().setLevel("DEBUG")
    await api.http.get("/livez")
    (line,) = lines.of(route="/livez")
    assert line["level"] == "debug"


async def test_an_unexpected_error_has_its_request(
    api: Installation, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G075: the traceback and the 500 name the request, and the answer its id."""

    def broken(_: Runtime) -> None:
        raise ZeroDivisionError("token=abc of the database")

    monkeypatch.setattr(Runtime, "unit_of_work", broken)
    answer = await api.get("/v1/posts")
    assert answer.status_code == 500
    request_id = answer.headers["X-Request-ID"]
    told = lines.of(level="error", request_id=request_id)
    assert [line["event"] for line in told] == ["unexpected error"]
    assert "token=***" in str(told[0]["exception"])
    assert [line["status"] for line in lines.of(route="/v1/posts", method="GET")] == [500]
    assert "abc of" not in lines.text


async def test_a_request_and_its_jobs_share_a_trace(api: Installation, lines: Lines) -> None:
    """N060, V080: from the request's header to the job's lines and the history."""
    draft = await api.schedule([], "draft")
    body = {"posts": [draft["id"]], "accounts": [await api.connect()]}
    answer = await api.post("/v1/posts/batch", body, headers=PARENT)
    assert answer.status_code == 202, answer.text
    await api.work()
    job = [*lines.of(job="posts.publish"), *lines.of(job="posts.publish_batch")]
    assert {line["job"] for line in job} == {"posts.publish", "posts.publish_batch"}
    which = {"trace": TRACE, "actor": "admin", "queue": "publishing", "try": "1"}
    assert all(which.items() <= line.items() for line in job)
    await api.record()
    runs = await api.sql("SELECT name, trace, actor FROM job_runs WHERE state = 'succeeded'")
    assert [tuple(run) for run in runs] == [("posts.publish_batch", TRACE, "admin")]


async def test_requests_leave_nothing_behind(api: Installation, lines: Lines) -> None:
    """What is logged after one belongs to none."""
    await api.get("/v1/posts", headers=PARENT)
    logging.getLogger("test").info("alone")
    (line,) = lines.of(event="alone")
    assert line.keys() == {"event", "level", "logger", "timestamp"}
