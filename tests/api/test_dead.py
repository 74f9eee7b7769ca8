"""Dead jobs over HTTP and on the command line, wherever they are kept."""

from typing import Any

import pytest

from service.queue import RetryPolicy, dead_jobs, job, queue_key
from tests.support import Installation, problems
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio
KEY = queue_key("publishing")
ONCE = RetryPolicy(tries=2, delay=0)


@job("tests.break", queue="publishing", coroutine="tests.api.test_dead.broken", retry=ONCE)
async def break_it(part: str) -> str:
    """Fail until it is repaired."""
    raise NotImplementedError


@job("tests.drop", queue="publishing", coroutine="tests.api.test_dead.dropped", retry=ONCE)
async def drop_it(part: str) -> str:
    """Fail otherwise."""
    raise NotImplementedError


class Machine:
    """Jobs that fail until somebody mends what they need."""

    def __init__(self) -> None:
        self.broken = True
        self.runs: list[str] = []
        self.functions = [run(break_it, self.run), run(drop_it, self.drop)]

    async def run(self, ctx: Context, part: str) -> str:
        self.runs.append(part)
        if self.broken:
            raise ValueError(f"{part} is broken")
        return f"{part} works"

    async def drop(self, ctx: Context, part: str) -> str:
        self.runs.append(part)
        if self.broken:
            raise LookupError(part)
        return part


async def die(api: Installation, machine: Machine) -> None:
    """Leave a dead job of each kind: two without rows, a durable one, one that Redis keeps."""
    queue = api.runtime.queue
    await queue.enqueue(break_it("pump").deferred(job_id="pump"))
    await queue.enqueue(drop_it("glass").deferred(job_id="glass"))
    await queue.enqueue_job("tests.break", 7, _job_id="unreadable", _queue_name=KEY)
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(break_it("engine").deferred(job_id="engine"))
    await api.work(functions=machine.functions)
    await queue.zadd(f"{KEY}:dead", {"nobody's": 1})
    payload = b'{"f":"tests.unknown","a":[1],"k":{},"t":1,"et":1}'
    await queue.hset(f"{KEY}:dead:jobs", "nobody's", payload)  # type: ignore[misc, arg-type] # redis-py's


async def listed(api: Installation, query: str = "") -> list[Any]:
    reply = await api.get(f"/v1/dead?{query}")
    assert reply.status_code == 200, reply.text
    items: list[Any] = reply.json()["items"]
    return items


async def ids(api: Installation, query: str = "") -> list[str]:
    return sorted(item["id"] for item in await listed(api, query))


async def test_every_dead_job_is_listed_once(api: Installation) -> None:
    """V049: with payload and error, the latest first, wherever it is kept."""
    await die(api, Machine())
    found = {item["id"]: item for item in await listed(api)}
    kept = {job_id: item["kept"] for job_id, item in found.items()}
    assert kept == {
        "pump": "postgresql",
        "glass": "postgresql",
        "unreadable": "postgresql",
        "engine": "row",
        "nobody's": "redis",
    }
    pump = found["pump"]
    assert (pump["name"], pump["queue"], pump["tries"]) == ("tests.break", "publishing", 2)
    assert pump["arguments"] == {"part": "pump"}
    assert pump["error"] == {
        "type": "ValueError",
        "message": "pump is broken",
        "traceback": None,
    }
    assert found["engine"]["error"]["message"] == "engine is broken"
    assert [job.view.job_id for job in await dead_jobs(api.runtime.queue, KEY)] == ["nobody's"]
    errors = await api.sql("SELECT cardinality(errors) AS n FROM dead_jobs WHERE id = 'pump'")
    assert errors == [(2,)], "of both tries"
    assert await ids(api, "name=tests.drop") == ["glass"]
    assert await ids(api, "error=ValueError") == ["engine", "pump"]
    assert await ids(api, "error=service.queue.errors.DecodeError") == ["unreadable"]
    assert await ids(api, "queue=media") == []


async def test_pages_show_each_once(api: Installation) -> None:
    """Over all places, in one order."""
    await die(api, Machine())
    everything = [item["id"] for item in await listed(api)]
    seen, cursor = [], ""
    while True:
        reply = (await api.get(f"/v1/dead?limit=2{cursor}")).json()
        seen += [item["id"] for item in reply["items"]]
        if reply["next_cursor"] is None:
            break
        cursor = f"&cursor={reply['next_cursor']}"
    assert seen == everything
    assert seen[-1] == "nobody's"


async def test_all_are_replayed(api: Installation) -> None:
    """V049: they run as if never before; what cannot be read dies again.

    One whose function is gone is left where it is, and the reply says why.
    """
    machine = Machine()
    await die(api, machine)
    machine.broken = False
    machine.runs.clear()
    reply = await api.post("/v1/dead/replay", {"all": True})
    refused = [{"id": "nobody's", "reason": "this release has no job 'tests.unknown'"}]
    assert reply.status_code == 200
    assert reply.json() == {"replayed": 4, "left": 1, "refused": refused}
    assert await ids(api) == ["nobody's"]
    await api.work(functions=machine.functions)
    assert sorted(machine.runs) == ["engine", "glass", "pump"]
    assert await ids(api) == ["nobody's", "unreadable"]
    assert (await api.get("/v1/jobs/pump")).json()["result"] == "pump works"


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        ({"ids": ["pump", "engine", "absent"]}, ["glass", "nobody's", "unreadable"]),
        ({"name": "tests.break"}, ["glass", "nobody's"]),
        ({"error": "ValueError"}, ["glass", "nobody's", "unreadable"]),
        ({"name": "tests.break", "error": "LookupError"}, None),
        (
            {"queue": "publishing", "name": "tests.unknown"},
            ["engine", "glass", "pump", "unreadable"],
        ),
        ({"queue": "media"}, None),
    ],
)
@pytest.mark.parametrize("verb", ["replay", "discard"])
async def test_those_that_match(
    api: Installation, verb: str, selection: dict[str, Any], left: list[str] | None
) -> None:
    """V049: by ids, name, queue and error; no other is touched."""
    await die(api, Machine())
    everything = await ids(api)
    left = everything if left is None else left
    if verb == "replay":  # nothing replays it: its function is gone
        left = sorted({*left, "nobody's"})
    reply = (await api.post(f"/v1/dead/{verb}", selection)).json()
    assert reply["replayed" if verb == "replay" else "discarded"] == 5 - len(left)
    assert await ids(api) == left
    queued = await api.queued()
    gone = set(everything) - set(left)
    assert set(queued) == (gone if verb == "replay" else set())


@pytest.mark.parametrize("selection", [{}, {"all": True, "name": "x.y"}, {"queue": "No queue"}])
async def test_a_selection_that_says_nothing_is_refused(
    api: Installation, selection: dict[str, Any]
) -> None:
    """Nobody discards everything by forgetting a filter."""
    await die(api, Machine())
    before = await ids(api)
    for verb in ("replay", "discard"):
        reply = await api.post(f"/v1/dead/{verb}", selection)
        assert reply.status_code == 422
        assert set(problems(reply)) <= {"all", "queue"}
    assert await ids(api) == before
    for query in ("cursor=nonsense", "queue=No queue"):
        assert (await api.get(f"/v1/dead?{query}")).status_code == 422


async def test_it_needs_the_scope(api: Installation) -> None:
    reader = await api.new_key("jobs:read")
    assert (await api.get("/v1/dead", key=reader)).status_code == 200
    for verb in ("replay", "discard"):
        assert (await api.post(f"/v1/dead/{verb}", {"all": True}, key=reader)).status_code == 403
