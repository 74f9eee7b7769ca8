"""`almanac workflows`: runs and their steps, drawn, and steered."""

import pytest

from service.errors import Conflict, NotFound
from tests.commands.terminal import Terminal, columns
from tests.commands.test_jobs import audited
from tests.support import Installation

pytestmark = pytest.mark.asyncio
NOBODY = "01890000-0000-7000-8000-000000000000"


async def started(api: Installation) -> str:
    """Start a workflow of two steps, one after the other, and return its id."""
    steps = [
        {"key": "first", "job": "posts.sweep"},
        {"key": "second", "job": "monitoring.clean", "after": ["first"]},
    ]
    reply = await api.post("/v1/workflows", {"name": "nightly", "steps": steps})
    assert reply.status_code == 201, reply.text
    workflow_id: str = reply.json()["id"]
    return workflow_id


async def test_a_run_is_drawn(api: Installation, terminal: Terminal) -> None:
    """Each step with its state, before, while and after it runs."""
    workflow_id = await started(api)
    table = columns(await terminal.shows("workflows", "show", workflow_id))
    assert table["…"][:3] == ["first", "posts.sweep", "queued"]
    assert table["·"][:4] == ["second", "monitoring.clean", "first", "waiting"]
    assert table["nightly"][-2:] == ["0", "%"]
    await api.work("publishing")
    await api.work("maintenance")
    shown = await terminal.shows("workflows", "show", workflow_id, "--watch")
    assert columns(shown)["nightly"][-2:] == ["100", "%"]
    assert shown.count("✓") == 2
    assert (
        await terminal.json("workflows", "show", workflow_id)
        == (await api.get(f"/v1/workflows/{workflow_id}")).json()
    )
    assert workflow_id in await terminal.shows("workflows", "list", "--state", "succeeded")
    assert await terminal.shows("workflows", "list", "--name", "daily") == "None\n"


async def test_cancel_and_resume(api: Installation, terminal: Terminal) -> None:
    """A cancelled run goes on from where it stopped; both are in the audit log."""
    workflow_id = await started(api)
    assert "cancelled" in await terminal.shows("workflows", "cancel", workflow_id)
    await terminal.shows("workflows", "show", workflow_id, "--watch", code=1)
    assert isinstance(await terminal.refused("workflows", "cancel", workflow_id), Conflict)
    await terminal.shows("workflows", "resume", workflow_id)
    await api.work("publishing")
    await api.work("maintenance")
    (run,) = (await terminal.json("workflows", "list"))["items"]
    assert (run["state"], run["progress"]) == ("succeeded", 100)
    assert isinstance(await terminal.refused("workflows", "resume", workflow_id), Conflict)
    assert [entry[1:] for entry in await audited(api, "workflows")][1:] == [
        ("workflows.cancel", workflow_id),
        ("workflows.cancel", workflow_id),
        ("workflows.resume", workflow_id),
    ]


async def test_unknown_runs(api: Installation, terminal: Terminal) -> None:
    for verb in ("show", "cancel", "resume"):
        assert isinstance(await terminal.refused("workflows", verb, NOBODY), NotFound)
    assert (await terminal.run("workflows", "show", "nonsense")).exit_code == 2
