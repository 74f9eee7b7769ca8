"""What the command line does: sending jobs, running them here."""

import re

import pytest

from service import operator
from service.errors import Conflict, InvalidInput
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def test_a_job_runs_in_this_process(api: Installation) -> None:
    """K058: no worker, no queue; the result comes back."""
    settings = api.runtime.settings
    await api.schedule([await api.connect()])
    await api.runtime.queue.flushdb()
    assert await operator.run_here(settings, operator.job_call("posts.sweep", {})) == {
        "processed": 1,
        "deferred": 0,
    }
    cleaned = await operator.run_here(settings, operator.job_call("monitoring.clean", {}))
    assert cleaned == {
        "job_runs": 0,
        "job_minutes": 0,
        "durable_jobs": 0,
        "deliveries": 0,
        "emails": 0,
        "notices": 0,
        "workflows": 0,
        "alerts": 0,
        "authorizations": 0,
        "replies": 0,
    }


async def test_arguments_are_read_as_declared(api: Installation) -> None:
    """A delivery is published here by its id, given as text."""
    post = await api.schedule([await api.connect()])
    arguments = {"delivery_id": post["schedule_ids"][0], "version": 1}
    call = operator.job_call("posts.publish", arguments)
    assert await operator.run_here(api.runtime.settings, call) is None
    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_a_job_that_is_not_done_says_so(api: Installation) -> None:
    """A snooze is no result."""
    draft = await api.schedule([], "draft")
    body = {"posts": [draft["id"]], "accounts": [await api.connect()]}
    batch = (await api.post("/v1/posts/batch", body)).json()
    call = operator.job_call("posts.publish_batch", {"batch_id": batch["id"]})
    with pytest.raises(Conflict, match="asks to be run again in 1 s"):
        await operator.run_here(api.runtime.settings, call)


async def test_a_job_is_sent_to_its_queue(api: Installation) -> None:
    """G038: its id can be asked for."""
    job_id = await operator.enqueue(api.runtime.settings, operator.job_call("monitoring.clean", {}))
    assert re.fullmatch("[0-9a-f]{32}", job_id)
    assert await api.queued("maintenance") == [job_id]
    assert (await api.get(f"/v1/jobs/{job_id}")).json()["state"] == "queued"


@pytest.mark.parametrize(
    ("name", "arguments", "fields"),
    [
        ("posts.nothing", {}, {"name"}),
        ("posts.publish", {"delivery_id": "x", "version": "1", "more": 1}, None),
        ("posts.publish", {"delivery_id": "01890000-0000-7000-8000-000000000000"}, {"arguments"}),
    ],
    ids=["unknown job", "wrong arguments", "missing argument"],
)
async def test_bad_calls_name_every_problem(
    name: str, arguments: dict[str, object], fields: set[str] | None
) -> None:
    """Unknown job, unknown, missing and mistyped arguments."""
    with pytest.raises(InvalidInput) as refused:
        operator.job_call(name, arguments)
    found = {problem.field for problem in refused.value.problems}
    assert found == (fields or {"delivery_id", "version", "more"})
