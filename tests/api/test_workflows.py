"""HTTP of workflows."""

from typing import Any

import pytest

from tests.support import Installation, problems
from tests.workflows.bench import Code, work

pytestmark = pytest.mark.asyncio

PAIR: dict[str, Any] = {
    "name": "pair",
    "input": {"clip": "a"},
    "steps": [
        {"key": "first", "job": "flows.note", "arguments": {"name": {"$input": ["clip"]}},
         "undo": {"job": "flows.revoke", "arguments": {"name": {"$output": ["first", "name"]}}}},
        {"key": "second", "job": "flows.note", "after": ["first"],
         "arguments": {"name": "b", "given": {"$results": [0, "path"]}}},
    ],
}  # fmt: skip


async def begin(api: Installation, body: dict[str, Any] = PAIR, **options: Any) -> str:
    response = await api.post("/v1/workflows", body, **options)
    assert response.status_code == 201, response.text
    workflow_id: str = response.json()["id"]
    return workflow_id


async def read(api: Installation, workflow_id: str) -> Any:
    response = await api.get(f"/v1/workflows/{workflow_id}")
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_workflow_is_started_watched_and_undone(api: Installation) -> None:
    """V004, V013, V029, V030, V041: the id of the reply tells of the run until its end."""
    workflow_id = await begin(api)
    found = await read(api, workflow_id)
    assert (found["state"], found["progress"], found["current_steps"]) == ("pending", 0, ["first"])
    assert [s["state"] for s in found["steps"]] == ["queued", "waiting"]
    code = Code()
    await work(api.runtime, code)
    found = await read(api, workflow_id)
    assert (found["state"], found["progress"]) == ("succeeded", 100)
    assert found["output"] == {"name": "b", "path": "/b", "given": "/a"}
    step = (await api.get(f"/v1/workflows/{workflow_id}/steps/first")).json()
    assert (step["state"], step["tries"], step["log"]) == ("succeeded", 1, [])
    assert step["result"] == {"name": "a", "path": "/a", "given": ""}
    job = (await api.get(f"/v1/jobs/{step['job_id']}")).json()
    assert (job["name"], job["state"]) == ("flows.note", "succeeded")

    response = await api.post(f"/v1/workflows/{workflow_id}/undo", None)
    assert (response.status_code, response.json()["state"]) == (202, "undoing")
    await work(api.runtime, code)
    found = await read(api, workflow_id)
    assert (found["state"], found["steps"][0]["undo"]["state"]) == ("undone", "succeeded")
    assert code.runs == ["a", "b", "undo a"]


async def test_a_workflow_is_cancelled_and_resumed(api: Installation) -> None:
    """G081: one state in every reply; what is not possible is refused with the reason."""
    workflow_id = await begin(api)
    path = f"/v1/workflows/{workflow_id}"
    response = await api.post(f"{path}/resume", None)
    assert response.status_code == 409
    assert "it is pending" in response.json()["detail"]
    response = await api.post(f"{path}/cancel", None)
    assert (response.status_code, response.json()["state"]) == (202, "cancelled")
    response = await api.post(f"{path}/cancel", None)
    assert response.status_code == 409
    response = await api.post(f"{path}/resume", None)
    assert (response.status_code, response.json()["state"]) == (202, "running")
    code = Code()
    await work(api.runtime, code)
    assert (await read(api, workflow_id))["state"] == "succeeded"
    assert code.runs == ["a", "b"]


async def test_a_repeated_request_starts_one(api: Installation) -> None:
    """The Idempotency-Key: the same reply, one workflow."""
    headers = {"Idempotency-Key": "once"}
    ids = {await begin(api, headers=headers) for _ in range(2)}
    assert len(ids) == 1
    assert await api.count("workflows") == 1


async def test_runs_are_listed(api: Installation) -> None:
    """Newest first, by name and state, in pages; a nested run is not among them."""
    inner = {"name": "inner", "steps": PAIR["steps"], "input": {"clip": "x"}}
    outer = {"name": "outer", "steps": [{"key": "in", "workflow": inner}]}
    ids = [await begin(api), await begin(api, outer), await begin(api)]
    await api.post(f"/v1/workflows/{ids[0]}/cancel", None)
    first = (await api.get("/v1/workflows?limit=2")).json()
    assert [w["id"] for w in first["items"]] == [ids[2], ids[1]]
    rest = (await api.get(f"/v1/workflows?limit=2&cursor={first['next_cursor']}")).json()
    assert [(w["id"], w["state"]) for w in rest["items"]] == [(ids[0], "cancelled")]
    assert rest["next_cursor"] is None
    named = (await api.get("/v1/workflows?name=outer&state=pending")).json()
    assert [w["id"] for w in named["items"]] == [ids[1]]


async def test_keys_and_owners(api: Installation) -> None:
    """Scopes are needed; somebody else's run does not exist."""
    reader = await api.new_key("jobs:read", user="reader")
    operator = await api.new_key("jobs:read", "jobs:operate", user="operator")
    assert (await api.post("/v1/workflows", PAIR, key=reader)).status_code == 403
    workflow_id = await begin(api, key=operator)
    path = f"/v1/workflows/{workflow_id}"
    assert (await api.get(path, key=operator)).status_code == 200
    assert (await api.get(path)).status_code == 200, "an admin's key sees all"
    assert (await api.get(path, key=reader)).status_code == 404
    assert (await api.get(f"{path}/steps/first", key=reader)).status_code == 404
    assert (await api.get("/v1/workflows", key=reader)).json()["items"] == []
    other = await api.new_key("jobs:operate", user="other")
    for verb in ("cancel", "resume", "undo"):
        assert (await api.post(f"{path}/{verb}", None, key=other)).status_code == 404
    assert (await read(api, workflow_id))["state"] == "pending"


async def test_a_wrong_definition_is_refused_with_every_reason(api: Installation) -> None:
    """Part 4: a cycle, an unknown job, a missing reference; nothing is stored."""
    body = {
        "name": "bad",
        "steps": [
            {"key": "a", "job": "no.job", "after": ["b"]},
            {"key": "b", "job": "flows.number", "arguments": {"value": 1}, "after": ["a"]},
            {"key": "c", "job": "flows.number", "arguments": {"value": {"$output": ["d"]}}},
            {"key": "e", "job": "flows.number", "arguments": {"value": {"$output": ["c"]}}},
            {"key": "f", "job": "flows.number", "arguments": {"value": {"$input": ["x"]}}},
        ],
    }
    response = await api.post("/v1/workflows", body)
    assert response.status_code == 422
    assert problems(response) == {
        "steps": "these wait for each other: b → a → b",
        "steps[0].job": "there is no job 'no.job'",
        "steps[2].arguments": '{"$output": ["d"]}: there is no step \'d\'',
        "steps[3].arguments": (
            "{\"$output\": [\"c\"]}: 'c' need not have ended then; add it to 'after'"
        ),
        "steps[4].arguments": '{"$input": ["x"]}: the input has no such part',
    }
    assert await api.count("workflows") == 0
    assert not await api.runtime.queue.exists("almanac:flows")


@pytest.mark.parametrize("number", ["NaN", "Infinity", '"\\ud800"'])
async def test_what_cannot_be_stored_is_refused(api: Installation, number: str) -> None:
    """Numbers that are none and half characters: a refusal, no failure later."""
    body = f'{{"name": "x", "input": {number}, "steps": [{{"key": "a", "job": "flows.note"}}]}}'
    headers = {"Content-Type": "application/json"}
    response = await api.request("POST", "/v1/workflows", content=body.encode(), headers=headers)
    assert response.status_code == 422
    assert await api.count("workflows") == 0


async def test_webhooks_hear_of_the_end(api: Installation) -> None:
    """Part 6: a workflow's end is announced in the transaction that writes it."""
    hook = {"url": "http://127.0.0.1:9/hook", "events": ["workflow.succeeded"]}
    response = await api.post("/v1/webhooks", hook)
    assert response.status_code == 201, response.text
    workflow_id = await begin(api)
    await work(api.runtime, Code())
    found = await api.get(f"/v1/webhooks/{response.json()['id']}/deliveries")
    (delivery,) = found.json()["items"]
    assert delivery["event_type"] == "workflow.succeeded"
    assert workflow_id in delivery["event_id"]
