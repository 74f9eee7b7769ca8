"""docs/operations.md: every line of its table of commands does what it says, on an installation."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from service.queue.live import WATCHED
from service.queue.presence import WORKERS
from tests.e2e.installed import PROGRAM, Api, Place, place, up
from tests.e2e.processes import running
from tests.e2e.terminal import on_terminal
from tests.embedded.helpers import eventually
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import server_folder

DOCUMENT = Path(__file__).parents[1] / "docs/operations.md"
ROW = re.compile(r"^\| (.+?) \| `([^`]+)` \| .+ \|$", re.MULTILINE)
ROWS = ROW.findall(DOCUMENT.read_text())
"""What people know, and the command that does it here."""
Says = Callable[[str, "Scene"], bool]


@dataclass(slots=True)
class Scene:
    """A running installation, and what commands are about."""

    where: Place
    api: Api
    receiver: WebhookServer
    folder: Path

    def a_job(self) -> str:
        """Return a job that waits for its time."""
        account = self.api.connect("feed", {"handle": f"feed{time.monotonic_ns()}"})
        due = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        body = {"text": "Later", "accounts": [account], "publish_at": due}
        job_id: str = self.api.post("/v1/posts", body)["deliveries"][0]["job_id"]
        return job_id

    def a_running_job(self) -> str:
        """Return a job that runs for long."""
        self.receiver.fail(Fault("/hook", delay=25))
        # Only the test is sent to it, no end of another job.
        body = {"url": f"{self.receiver.url}/hook", "names": ["no.such_job"]}
        endpoint = self.api.post("/v1/webhooks", body)
        delivery = self.api.post(f"/v1/webhooks/{endpoint['id']}/test", {})
        job_id = f"webhook:{delivery['id']}:1"
        assert eventually(lambda: self.state(job_id) == "running", 20)
        return job_id

    def state(self, job_id: str) -> str:
        """Return how a job is."""
        state: str = self.api.get(f"/v1/jobs/{job_id}")["state"]
        return state

    def worker(self) -> str:
        """Return the name of the worker of the publishing queue."""
        workers = self.api.get("/v1/workers")["items"]
        (name,) = (worker["name"] for worker in workers if worker["queue"] == "publishing")
        return str(name)

    def filled(self, command: str) -> list[str]:
        """Return a command with a job or a worker for its placeholders."""
        made = {"JOB": self.a_job, "RUNNING": self.a_running_job, "WORKER": self.worker}
        return [made[word]() if word in made else word for word in command.split()]

    def redis(self) -> redis.Redis:
        """Return a client of the embedded Valkey."""
        found = json.loads((self.where.home / "endpoints.json").read_text())
        return redis.Redis.from_url(found["endpoints"]["redis_url"])


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An installation of its own."""
    with server_folder() as folder, WebhookServer() as receiver:
        where = place(folder, ALMANAC_ALLOWED_PRIVATE_HOSTS="127.0.0.1", COLUMNS="100")
        with up(where), Api(where.url, where.new_key("operator")) as api:
            yield Scene(where, api, receiver, folder)


SAYS: dict[str, Says] = {
    "workers ping": lambda text, _: text.count(": pong, loop lag ") == 2,
    "workers list": lambda text, _: {"publishing", "webhooks", "maintenance"} <= set(text.split()),
    "workers show": lambda text, _: "posts.publish" in text and "monitoring.clean" in text,
    "jobs list --state active": lambda text, scene: (
        all(part in text for part in ("webhooks.deliver", "endpoint_id", scene.worker()))
        and re.search(r"^\d\d-\d\d \d\d:\d\d:\d\d ", text, re.MULTILINE) is not None
    ),
    "jobs list --state scheduled": lambda text, _: "publish:" in text,
    "jobs list --state queued": lambda text, _: text == "None\n",
    "jobs show JOB": lambda text, _: "deferred" in text and "delivery_id" in text,
    "conf": lambda text, _: "SECRET_KEY" in text and "posts.publish: 30" in text,
    "conf --bundle support.tar.gz": lambda _, scene: (scene.folder / "support.tar.gz").exists(),
    "queues list": lambda text, _: "publishing" in text and "1 worker" in text,
    "schedules list": lambda text, _: "posts.sweep" in text and "UTC" in text,
    "jobs enqueue posts.sweep": lambda text, scene: eventually(
        lambda: scene.state(text.strip()) == "succeeded", 20
    ),
    "jobs wait JOB --timeout 1": lambda text, _: "deferred" in text,
    "queues pause publishing": lambda _, scene: scene.api.get("/v1/queues/publishing")["paused"],
    "queues resume publishing": lambda _, scene: (
        not scene.api.get("/v1/queues/publishing")["paused"]
    ),
    "jobs cancel JOB": lambda text, scene: scene.state(text.split()[0]) == "cancelled",
    "jobs cancel RUNNING": lambda text, scene: eventually(
        lambda: scene.state(text.split()[0]) == "cancelled", 10
    ),
    "queues purge -Q webhooks --yes": lambda text, _: "webhooks" in text and "removed" in text,
    "queues purge --yes": lambda text, _: text.rstrip().endswith("jobs removed"),
    "workers shutdown WORKER": lambda text, _: text.endswith(": stopping\n"),
    "status": lambda text, _: "DOWN" not in text and "scheduler" in text,
    "verify": lambda text, _: "answered in" in text and text.endswith("passed.\n"),
    "verify --jobs": lambda text, _: "published at" in text and "FAIL" not in text,
}
"""What is true of the output of a command that ends, or of what it did."""
EXITS = {"jobs wait JOB --timeout 1": 1}
SETTLED = ("status", "verify")
"""Commands to be tried once the worker that was shut down has been started again."""


def test_the_table_is_read() -> None:
    """A table that is read wrongly would pass."""
    assert (
        len(ROWS) == DOCUMENT.read_text().count("\n| `") + DOCUMENT.read_text().count("\n| Cel") - 1
    )
    commands = {command.removeprefix("almanac ") for _, command in ROWS}
    lasting = {"events", "monitor"}
    ours = {c for c in commands - lasting if not c.startswith(("worker ", "redis-cli "))}
    assert ours == SAYS.keys()


@pytest.mark.parametrize(("known", "command"), ROWS, ids=[known for known, _ in ROWS])
def test_the_command(scene: Scene, known: str, command: str) -> None:
    """G039-G041, G054-G057, N015-N019, N022-N024, N034, N035, N050-N053, N057, T031-T041, V063,
    V065-V069, V089-V091, K053-K056, K059-K062, K070: what each Celery command did is done."""
    program, rest = command.split(" ", 1)
    if program == "redis-cli":
        ask_redis(scene, rest.split())
    elif rest == "events":
        see_events(scene)
    elif rest == "monitor":
        see_the_screen(scene)
    elif rest.startswith("worker "):
        serve(scene, rest.split())
    else:
        run_to_its_end(scene, rest)


def run_to_its_end(scene: Scene, command: str) -> None:
    if "active" in command:
        scene.a_running_job()
    if "scheduled" in command:
        scene.a_job()
    if command in SETTLED:
        assert eventually(
            lambda: scene.where.almanac("workers", "ping").stdout.count("pong") == 2, 30
        )
    done = scene.where.almanac(*scene.filled(command), seconds=120)
    assert done.returncode == EXITS.get(command, 0), done.stdout + done.stderr
    assert SAYS[command](done.stdout, scene), done.stdout


def see_events(scene: Scene) -> None:
    """N025: a job is seen as it is queued, started, and has ended."""
    with running([str(PROGRAM), "events"], scene.where.environment, scene.folder) as watcher:
        assert eventually(lambda: scene.redis().exists(WATCHED) == 1, 20)
        scene.where.almanac("jobs", "enqueue", "posts.sweep")
        watcher.wait_for("succeeded")
        seen = [line.split()[1:4] for line in watcher.output.splitlines() if "posts.sweep" in line]
        assert [event for event, *_ in seen][-3:] == ["queued", "started", "succeeded"]
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.process.wait(20) == 0


def see_the_screen(scene: Scene) -> None:
    """N019, N057: it shows workers and queues, and q leaves it."""
    with on_terminal([str(PROGRAM), "monitor"], scene.where.environment, scene.folder) as screen:
        screen.wait_for(scene.worker())
        screen.wait_for("q leaves")
        screen.press("q")
        assert screen.process.wait(20) == 0


def serve(scene: Scene, arguments: list[str]) -> None:
    """T009, N055: a worker in the foreground, which ends by itself at SIGTERM."""
    with running([str(PROGRAM), *arguments], scene.where.environment, scene.folder) as worker:
        worker.wait_for("worker ready")
        worker.process.terminate()
        assert worker.process.wait(40) == 0


def ask_redis(scene: Scene, arguments: list[str]) -> None:
    """T038-T040, T072: what people asked Redis for is there under our keys."""
    with scene.redis() as client:
        match arguments:
            case ["ZCARD", key]:
                waiting = scene.api.get("/v1/queues/publishing")
                expected = waiting["ready"] + waiting["running"] + waiting["deferred"]
                assert client.zcard(key) == expected
            case ["--scan", "--pattern", pattern]:
                job_id = scene.where.almanac("jobs", "enqueue", "posts.sweep").stdout.strip()
                assert eventually(lambda: scene.state(job_id) == "succeeded", 20)
                found: set[Any] = set(client.scan_iter(match=pattern))
                expected_key = {
                    "arq:result:*": f"arq:result:{job_id}",
                    "almanac:*": WORKERS,
                }
                assert expected_key[pattern].encode() in found
            case ["INFO", section]:
                assert client.info(section)["used_memory"] > 0
            case ["MONITOR"]:
                with client.monitor() as monitor:
                    client.ping()
                    assert monitor.next_command()["command"]
            case _:
                pytest.fail(f"nothing tries redis-cli {arguments}")
