"""Calls of APIs as jobs: what is sent, what is tried again and when, what nobody can read."""

import asyncio
from typing import Any

import pytest

from tests.access.helpers import dump_of_redis
from tests.servers.echo import Echo
from tests.servers.receiver import Reply
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio
QUEUE = "almanac:default"
TOKEN = "open-sesame-7f3a"


async def ask(api: Installation, endpoint: str, **body: Any) -> str:
    """Ask for a call; return its id."""
    reply = await api.post("/v1/calls", {"endpoint": endpoint, **body})
    assert reply.status_code == 202, reply.text
    call_id: str = reply.json()["id"]
    assert reply.headers["location"] == f"/v1/calls/{call_id}"
    return call_id


async def answer(api: Installation, call_id: str) -> Any:
    """Return a call as it is now."""
    reply = await api.get(f"/v1/calls/{call_id}")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def try_once(api: Installation, call_id: str) -> float:
    """Let a call be tried now; return the seconds until the next try, 0 when there is none."""
    await api.sql("UPDATE durable_jobs SET due_at = now() WHERE id = :id", id=call_id)
    await api.runtime.queue.zadd(QUEUE, {call_id: 1_000})
    before = await _now(api)
    await api.work("default", max_burst_jobs=1)
    score = await api.runtime.queue.zscore(QUEUE, call_id)
    return (score - before) / 1000 if score else 0.0


async def _now(api: Installation) -> float:
    seconds, microseconds = await api.runtime.queue.time()
    return float(seconds * 1000 + microseconds / 1000)


async def test_a_post_reaches_a_server(api: Installation, echo: Echo) -> None:
    """T004, T030: the JSON body, once; its answer is shown to who asked."""
    call_id = await ask(api, f"{echo.url}/orders?size=2", data={"order": 7, "text": "für"})
    assert (await answer(api, call_id))["state"] == "queued"
    await api.work("default")
    (asked,) = echo.asked
    assert (asked.method, asked.path) == ("POST", "/orders?size=2")
    assert asked.json == {"order": 7, "text": "für"}
    assert asked.headers["idempotency-key"] == call_id
    done = await answer(api, call_id)
    assert (done["state"], done["tries"], done["error"]) == ("succeeded", 1, None)
    assert done["answer"]["status"] == 200
    assert done["answer"]["body"] == {"got": {"order": 7, "text": "für"}}
    assert done["answer"]["headers"]["content-type"] == "application/json"
    assert done["answer"]["omitted"] is False


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_every_method(api: Installation, echo: Echo, method: str) -> None:
    """T030."""
    call_id = await ask(api, f"{echo.url}/x", method=method)
    await api.work("default")
    assert [(asked.method, asked.body) for asked in echo.asked] == [(method, b"")]
    assert (await answer(api, call_id))["answer"]["body"] == {"got": None}


async def test_a_server_error_is_tried_three_more_times(api: Installation, echo: Echo) -> None:
    """T030: after 60 s each, under one key; then it has failed, and nothing is sent any more."""
    echo.replies.extend([Reply(500, body=b"out of order")] * 4)
    call_id = await ask(api, echo.url, data=[1])
    waits = [await try_once(api, call_id) for _ in range(4)]
    assert [round(wait) for wait in waits] == [60, 60, 60, 0]
    assert {asked.headers["idempotency-key"] for asked in echo.asked} == {call_id}
    assert [asked.json for asked in echo.asked] == [[1]] * 4
    failed = await answer(api, call_id)
    assert (failed["state"], failed["tries"]) == ("failed", 4)
    assert failed["error"] == "POST 127.0.0.1: answered 500: out of order"
    assert await api.queued("default") == []


async def test_what_fails_once_succeeds_then(api: Installation, echo: Echo) -> None:
    """T030: the answer of the try that succeeds is the call's."""
    echo.replies.append(Reply(503))
    call_id = await ask(api, echo.url)
    assert round(await try_once(api, call_id)) == 60
    waiting = await answer(api, call_id)
    assert (waiting["state"], waiting["answer"]) == ("retrying", None)
    assert await try_once(api, call_id) == 0
    assert (await answer(api, call_id))["state"] == "succeeded"


async def test_a_receiver_says_when(api: Installation, echo: Echo) -> None:
    """T030: Retry-After of 429 outranks the minute."""
    echo.replies.append(Reply(429, {"Retry-After": "7"}))
    call_id = await ask(api, echo.url)
    assert round(await try_once(api, call_id)) == 7


async def test_a_server_that_is_away_is_tried_again(api: Installation) -> None:
    """T030: a network error, told without the path."""
    call_id = await ask(api, "http://127.0.0.1:1/hooks/hidden")
    assert round(await try_once(api, call_id)) == 60
    error = (await answer(api, call_id))["error"]
    assert error.startswith("POST 127.0.0.1: ")
    assert "hidden" not in error


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(404, body=b"x" * 5000), f"answered 404: {'x' * 500}…"),
        (
            Reply(400, body=b'{"password": "hunter22!"}\n\x1b[31m'),
            'answered 400: {"password": ***} [31m',
        ),
        (Reply(401), "answered 401"),
        (
            Reply(302, {"Location": "https://user:pw@example.com/"}),
            "answered 302: redirects are not followed to https://***@example.com/",
        ),
        (Reply(200, body=b"x" * 1_000_001), "the answer is larger than 1,000,000 bytes"),
    ],
)
async def test_a_refusal_is_final(api: Installation, echo: Echo, reply: Reply, told: str) -> None:
    """T030: one request, with a bounded part of what it was answered and no secret of it."""
    echo.replies.append(reply)
    call_id = await ask(api, echo.url)
    await api.work("default")
    await api.record()
    assert len(echo.asked) == 1
    failed = await answer(api, call_id)
    assert (failed["state"], failed["tries"]) == ("failed", 1)
    assert failed["error"] == f"POST 127.0.0.1: {told}"


@pytest.mark.parametrize(
    ("reply", "body", "omitted"),
    [
        (Reply(200, {"Content-Type": "text/plain"}, b"done"), "done", False),
        (Reply(204), None, False),
        (Reply(200, {"Content-Type": "application/json"}, b"{not JSON"), "{not JSON", False),
        (Reply(200, {"Content-Type": "application/json"}, b"[1e999]"), "[1e999]", False),
        (Reply(200, {"Content-Type": "application/json"}, b"[" * 100_000), "[" * 100_000, False),
        (Reply(200, {"Content-Type": "application/json"}, b'"\\ud800"'), '"\\ud800"', False),
        (Reply(200, {"Content-Type": "text/plain"}, b"\0" * 900_000), None, True),
    ],
)
async def test_any_answer_is_kept(
    api: Installation, echo: Echo, reply: Reply, body: object, omitted: bool
) -> None:
    """T030: a call that succeeded is not made again because of what it was answered."""
    echo.replies.append(reply)
    call_id = await ask(api, echo.url)
    await api.work("default")
    done = await answer(api, call_id)
    assert (done["state"], len(echo.asked)) == ("succeeded", 1)
    assert (done["answer"]["body"], done["answer"]["omitted"]) == (body, omitted)


async def test_nothing_of_it_can_be_read(api: Installation, echo: Echo) -> None:
    """T030: neither before nor after, by those who see jobs, nor in what is stored."""
    echo.replies.append(Reply(200, body=TOKEN.encode()))
    call_id = await ask(api, f"{echo.url}/?key={TOKEN}", data={"word": TOKEN})
    assert TOKEN not in await dump_of_redis(api)
    await api.work("default")
    assert TOKEN not in await dump_of_redis(api)
    shown = await api.get(f"/v1/jobs/{call_id}")
    assert shown.status_code == 200
    assert TOKEN not in shown.text
    await api.record()
    for table in ("job_runs", "durable_jobs", "audit_log"):
        rows = await api.sql(f"SELECT {table}::text AS whole FROM {table}")
        assert rows
        assert all(TOKEN not in row.whole for row in rows)
    assert (await answer(api, call_id))["answer"]["body"] == TOKEN


async def test_the_answer_is_who_asked_s(api: Installation, echo: Echo) -> None:
    """T030: another operator has no such call."""
    key = await api.new_key("jobs:operate", "jobs:read", user="bob")
    call_id = await ask(api, echo.url)
    reply = await api.get(f"/v1/calls/{call_id}", key=key)
    assert reply.status_code == 404
    own = (await api.post("/v1/calls", {"endpoint": echo.url}, key=key)).json()["id"]
    await api.work("default")
    assert (await api.get(f"/v1/calls/{own}", key=key)).json()["state"] == "succeeded"
    assert (await api.get(f"/v1/calls/{own}")).status_code == 200, "an admin sees it"
    assert (await api.get("/v1/calls/nothing")).status_code == 404


UNUSUAL = "writes its address in an unusual form: use four decimal numbers, e.g. 192.0.2.1"
LOOPBACK = (
    "127.0.0.2:80 is at 127.0.0.2, which is loopback. If this installation should call it, "
    "add '127.0.0.2:80' to ALMANAC_ALLOWED_PRIVATE_HOSTS."
)
FORM = "must begin with http:// or https://"
BODILESS = "a GET has no body: put the values into the endpoint's query"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"endpoint": "ftp://example.com/"}, {"endpoint": FORM}),
        ({"endpoint": "http://me:pw@a.example/"},
         {"endpoint": "must not contain a user name or password"}),
        ({"endpoint": "http://0x7f.1/"}, {"endpoint": UNUSUAL}),
        ({"endpoint": "x", "method": "GET", "data": 1}, {"endpoint": FORM, "data": BODILESS}),
        ({"endpoint": "http://127.0.0.2:80/"}, {"endpoint": LOOPBACK}),
    ],
)  # fmt: skip
async def test_what_cannot_be_called_is_refused(
    api: Installation, body: dict[str, Any], told: dict[str, str]
) -> None:
    """T030: private and loopback hosts need to be listed; nothing is queued or noted."""
    reply = await api.post("/v1/calls", body)
    assert (reply.status_code, problems(reply)) == (422, told)
    assert (await api.queued("default"), await api.count("durable_jobs")) == ([], 0)
    assert await api.count("audit_log") == 0


@pytest.mark.parametrize("method", ["TRACE", "post", ""])
async def test_other_methods(api: Installation, method: str) -> None:
    """T030."""
    reply = await api.post("/v1/calls", {"endpoint": "https://example.com", "method": method})
    assert (reply.status_code, list(problems(reply))) == (422, ["method"])
    assert await api.count("durable_jobs") == 0


async def test_asked_for_as_any_job_it_is_judged_too(api: Installation, echo: Echo) -> None:
    """T030: `POST /v1/jobs` and `almanac jobs enqueue` know no rules of calls: the job does."""
    for arguments in (
        {"endpoint": "http://127.0.0.2/", "method": "POST"},
        {"endpoint": echo.url, "method": "TRACE"},
    ):
        reply = await api.post("/v1/jobs", {"name": "calls.api_call", "arguments": arguments})
        assert reply.status_code == 202, reply.text
        await api.work("default")
        failed = await answer(api, reply.json()["id"])
        assert (failed["state"], failed["tries"]) == ("failed", 1)
    assert echo.asked == []


async def test_a_repeated_request_is_one_call(api: Installation, echo: Echo) -> None:
    """T030: under one Idempotency-Key, also side by side."""
    body = {"endpoint": echo.url, "data": {"n": 1}}
    replies = await asyncio.gather(
        *(api.post("/v1/calls", body, headers={"Idempotency-Key": "a"}) for _ in range(3))
    )
    assert {reply.json()["id"] for reply in replies} == {replies[0].json()["id"]}
    await api.work("default")
    assert len(echo.asked) == 1
    rows = await api.sql("SELECT actor, action, detail FROM audit_log WHERE action = 'calls.ask'")
    assert [tuple(row) for row in rows] == [
        ("admin", "calls.ask", {"method": "POST", "host": "127.0.0.1"})
    ]
