"""A workflow as Celery shows tasks, at GET /v1/workflows/{id}/status."""

from typing import Any

import pytest

from tests.api.lifting import audited
from tests.support import Installation
from tests.workflows.bench import Code, make_worker, work
from workers.engine import Context

pytestmark = pytest.mark.asyncio
KEYS = [
    "workflow_id", "overall_status", "progress", "steps", "current_step", "estimated_completion",
    "error",
]  # fmt: skip
NAMES = ("download", "cut", "voice", "publish")


def four_steps() -> dict[str, Any]:
    steps = [
        {"key": name, "job": "flows.note", "arguments": {"name": name}, "after": list(after)}
        for name, after in zip(NAMES, ((), *zip(NAMES, strict=False)), strict=False)
    ]
    return {"name": "video", "steps": steps}


async def begin(api: Installation, key: str | None = None) -> str:
    reply = await api.post("/v1/workflows", four_steps(), key=key)
    assert reply.status_code == 201, reply.text
    workflow_id: str = reply.json()["id"]
    return workflow_id


async def status(api: Installation, workflow_id: str) -> Any:
    reply = await api.get(f"/v1/workflows/{workflow_id}/status")
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert list(found) == KEYS
    return found


async def test_four_steps_show_their_progress(api: Installation) -> None:
    """V041, V099: 0, 25, 50, 75, 100, and the step that runs by its name."""
    workflow_id = await begin(api)
    seen: list[tuple[int, str | None, str]] = []

    async def look(ctx: Context, name: str) -> None:
        found = await status(api, workflow_id)
        running = [step["name"] for step in found["steps"] if step["status"] == "STARTED"]
        assert running == [name]
        seen.append((found["progress"], found["current_step"], found["overall_status"]))

    before = await status(api, workflow_id)
    assert (before["overall_status"], before["progress"]) == ("PENDING", 0)
    await work(api.runtime, Code(inside=look))
    assert seen == [(25 * n, name, "STARTED") for n, name in enumerate(NAMES)]
    found = await status(api, workflow_id)
    assert (found["workflow_id"], found["error"]) == (workflow_id, None)
    assert (found["overall_status"], found["progress"]) == ("SUCCESS", 100)
    assert found["current_step"] is None
    assert found["steps"][1] == {
        "step_number": 2,
        "task_id": found["steps"][1]["task_id"],
        "status": "SUCCESS",
        "name": "cut",
        "result": {"name": "cut", "path": "/cut", "given": ""},
        "error": None,
    }
    task = await api.get(f"/v1/jobs/{found['steps'][1]['task_id']}/status")
    assert (task.status_code, task.json()["status"]) == (200, "SUCCESS")


async def test_a_failed_step_shows_its_error(api: Installation) -> None:
    """V041, V098: which step, why, and what will not run."""
    workflow_id = await begin(api)
    await work(api.runtime, Code(failing={"cut"}))
    found = await status(api, workflow_id)
    assert [step["status"] for step in found["steps"]] == [
        "SUCCESS",
        "FAILURE",
        "REVOKED",
        "REVOKED",
    ]
    assert found["steps"][1]["error"] == "ValueError: bad luck with cut"
    assert (found["overall_status"], found["progress"]) == ("FAILURE", 25)
    assert "bad luck with cut" in found["error"]
    reply = await api.post(f"/v1/workflows/{workflow_id}/resume", None)
    assert reply.status_code == 202
    await work(api.runtime, Code())
    assert (await status(api, workflow_id))["overall_status"] == "SUCCESS"
    ours = [(action, subject) for _, action, subject in await audited(api)]
    assert ours == [("workflows.start", workflow_id), ("workflows.resume", workflow_id)]


async def test_a_step_is_not_retried_past_its_workflow(api: Installation) -> None:
    workflow_id = await begin(api)
    code = Code(failing={"download"})
    await work(api.runtime, code)
    task_id = (await status(api, workflow_id))["steps"][0]["task_id"]
    reply = await api.post(f"/v1/jobs/{task_id}/retry", None)
    assert (reply.status_code, reply.json()["detail"]) == (
        409,
        "It is a step of a workflow: resume the workflow",
    )
    await make_worker(api.runtime, code).async_run()
    assert code.runs == ["download"]


async def test_somebody_elses_does_not_exist(api: Installation) -> None:
    """V081: neither the run nor the jobs of its steps."""
    ann = await api.new_key("jobs:read", "jobs:operate", user="ann")
    bob = await api.new_key("jobs:read", "jobs:operate", user="bob")
    workflow_id = await begin(api, ann)
    path = f"/v1/workflows/{workflow_id}/status"
    assert (await api.get(path, key=bob)).status_code == 404
    task_id = (await status(api, workflow_id))["steps"][0]["task_id"]
    for key, code in ((ann, 200), (bob, 404)):
        assert (await api.get(f"/v1/jobs/{task_id}", key=key)).status_code == code
    assert (await api.post(f"/v1/jobs/{task_id}/cancel", None, key=bob)).status_code == 404
    assert (await status(api, workflow_id))["overall_status"] == "PENDING"
