"""`almanac up`, as somebody meets it who has just cloned the repository."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.installed import PROGRAM, Api, Place, nothing_left, place, up
from tests.e2e.processes import Running, processes_of, running
from tests.e2e.terminal import Terminal, on_terminal
from tests.embedded.helpers import alive, eventually
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer

KEY = re.compile(r"First key +(almanac_\S+)")
PASSWORD = re.compile(r"Password +(\S+)")
READY = 5
"""Seconds within which a worker says that it is ready (G025)."""
STOPPED = 10
"""Seconds that a stop takes without running jobs, at most."""


def works(url: str, key: str) -> bool:
    """Tell whether the API takes a key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/v1/posts", headers=headers, trust_env=False).status_code == 200


def logs_in(url: str, password: str) -> bool:
    """Tell whether the first admin has this password."""
    body = {"name": "admin", "password": password}
    return httpx.post(f"{url}/v1/session", json=body, trust_env=False).status_code == 201


def on_a_terminal(where: Place) -> AbstractContextManager[Terminal]:
    """Run `almanac up` on a terminal."""
    return on_terminal([str(PROGRAM), "up"], where.environment, where.home.parent)


def begin_slow_post(where: Place, key: str, receiver: WebhookServer, seconds: float) -> str:
    """Post to a webhook that takes so long to answer; return the post's path once it is called."""
    receiver.fail(Fault("/hook", delay=seconds))
    with Api(where.url, key) as api:
        account = api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = api.post("/v1/posts", {"text": "Last words", "accounts": [account]})
        path = f"/v1/posts/{post['id']}"
        assert eventually(lambda: api.get(path)["state"] == "publishing")
    assert receiver.posts == []
    return path


def test_on_a_terminal(tmp_path: Path) -> None:
    """The first start prints where everything is and the key, a later one no key.

    Ctrl-C stops all of it, after the running jobs; a second one lets go of those.
    """
    where = place(tmp_path, ALMANAC_ALLOWED_PRIVATE_HOSTS="127.0.0.1")
    assert not where.home.exists()
    with on_a_terminal(where) as first:
        first.wait_for("Ready.")
        assert f"Dashboard  {where.url}/" in first.text
        assert f"API        {where.url}/docs" in first.text
        assert f"data in {where.home}" in first.text
        (key,) = KEY.findall(first.text)
        assert works(where.url, key)
        (password,) = PASSWORD.findall(first.text)
        assert logs_in(where.url, password)
        assert httpx.get(f"{where.url}/docs", trust_env=False).status_code == 200
        assert not list(where.home.glob("first-*"))
        first.press_ctrl_c()
        assert first.process.wait(STOPPED) == 0
        assert "Traceback" not in first.text
        assert nothing_left(where.home)

    with WebhookServer() as receiver, on_a_terminal(where) as second:
        second.wait_for("Ready.")
        assert KEY.findall(second.text) == PASSWORD.findall(second.text) == []
        assert key not in second.text
        begin_slow_post(where, key, receiver, 25)
        (worker,) = worker_pids(where)
        second.press_ctrl_c()
        second.wait_for("Stopping: ")
        assert not eventually(lambda: not alive(worker), 2)
        second.press_ctrl_c()
        assert second.process.wait(STOPPED) == 0
        assert "Traceback" not in second.text
        assert nothing_left(where.home)


def test_without_a_terminal(tmp_path: Path) -> None:
    """The key is kept in a file, not in the output, which may be a log.

    SIGTERM lets the running post end and be recorded; SIGKILL too leaves no process.
    """
    where = place(tmp_path, ALMANAC_ALLOWED_PRIVATE_HOSTS="127.0.0.1")
    with WebhookServer() as receiver, up(where) as first:
        file = where.home / "first-key"
        key = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        assert str(file) in first.output
        assert key not in first.output
        file = where.home / "first-password"
        password = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        assert password not in first.output
        assert logs_in(where.url, password)
        path = begin_slow_post(where, key, receiver, 2)
        first.process.terminate()
        assert first.process.wait(STOPPED) == 0
        assert "Traceback" not in first.output
        assert [post["text"] for post in receiver.posts] == ["Last words"]
        assert nothing_left(where.home)

    with up(where) as second:
        assert "First key" not in second.output
        with Api(where.url, key) as api:
            ((attempt,),) = api.get(path)["attempts"].values()
            assert (attempt["number"], attempt["outcome"]) == (1, "published")
        second.process.kill()
        assert nothing_left(where.home)


def test_ctrl_c_during_the_start(tmp_path: Path) -> None:
    """Whatever is being started then, nothing is left."""
    for sight in ("postgres.new", "postgres", "endpoints.json"):
        (tmp_path / sight).mkdir()
        where = place(tmp_path / sight)
        with on_a_terminal(where) as terminal:
            assert eventually((where.home / sight).exists)
            terminal.press_ctrl_c()
            assert terminal.process.wait(STOPPED) == 0, terminal.text
            assert "Traceback" not in terminal.text
            assert nothing_left(where.home)


def test_a_taken_port(tmp_path: Path) -> None:
    """The start ends with exit code 2, says which setting helps, and leaves nothing running."""
    where = place(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(where.environment["ALMANAC_PORT"])))
        other.listen()
        refused = where.almanac("up")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    message = refused.stderr.splitlines()[-1]
    assert message.startswith(f"Error: The API cannot listen on {where.url[7:]} (")
    assert message.endswith("): set ALMANAC_PORT to a free port")
    assert nothing_left(where.home)


def worker_pids(where: Place) -> list[int]:
    """Return the processes that serve the publishing queue."""
    wanted = {"worker", "publishing"}
    return [pid for pid in processes_of(where.home) if wanted.issubset(words_of(pid))]


def lasting_processes_of(home: Path) -> set[int]:
    """Return an installation's processes without PostgreSQL's, which come and go by themselves."""
    return {pid for pid in processes_of(home) if "postgres" not in words_of(pid)[0]}


def words_of(pid: int) -> list[str]:
    """Return a process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    except OSError:  # gone meanwhile
        return [""]


def test_commands_find_the_running_installation(where: Place, api: Api) -> None:
    """`verify`, `jobs show`, `jobs wait` by ALMANAC_HOME alone, for people and as JSON."""
    verified = where.almanac("verify", "--json")
    assert verified.returncode == 0, verified.stderr
    checks = json.loads(verified.stdout)
    assert {"settings", "PostgreSQL", "Redis", "encryption", "media folder"} <= checks.keys()
    assert all(check["ok"] for check in checks.values())

    account = api.connect("feed", {"handle": "commands"})
    post = api.post("/v1/posts", {"text": "Wait for me", "accounts": [account]})
    job_id = post["deliveries"][0]["job_id"]
    waited = where.almanac("jobs", "wait", job_id, "--json")
    assert waited.returncode == 0, waited.stderr
    shown = where.almanac("jobs", "show", job_id, "--json")
    assert json.loads(shown.stdout) == json.loads(waited.stdout)
    assert json.loads(shown.stdout)["state"] == "succeeded"
    unknown = where.almanac("jobs", "show", "publish:nothing")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == (
        "Error: There is no job 'publish:nothing', or its result has expired\n"
    )


def test_waiting_for_a_job_gives_up(where: Place, api: Api) -> None:
    """`jobs wait` of a job in the future ends with exit code 1 and its state."""
    account = api.connect("feed", {"handle": "later"})
    body = {"text": "Later", "accounts": [account], "publish_at": "2030-01-01T00:00:00Z"}
    job_id = api.post("/v1/posts", body)["deliveries"][0]["job_id"]
    waited = where.almanac("jobs", "wait", job_id, "--timeout", "0.5", "--json")
    assert waited.returncode == 1
    assert json.loads(waited.stdout)["state"] == "deferred"


@pytest.mark.parametrize("queue", ["publishing", "maintenance"])
def test_a_single_worker_is_ready_within_seconds(
    where: Place, installation: Running, queue: str
) -> None:
    """G025, T009: `almanac worker QUEUE` says at level INFO that it is ready; SIGTERM ends it."""
    command = [str(PROGRAM), "worker", queue]
    with running(command, where.environment, where.home.parent) as worker:
        worker.wait_for("worker ready", READY)
        assert "info" in worker.output
        worker.process.terminate()
        assert worker.process.wait(STOPPED) == 0
        assert "Traceback" not in worker.output


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process for a while, as a debugger does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_arqs_own_command_runs_a_worker(where: Place, api: Api) -> None:
    """T007, T009: `arq workers.publishing.WorkerSettings --burst` publishes what is due.

    It needs no other settings than those of the environment.
    """
    account = api.connect("feed", {"handle": "burst"})
    command = [str(PROGRAM.with_name("arq")), "workers.publishing.WorkerSettings", "--burst"]
    (other,) = worker_pids(where)
    with paused(other):
        post = api.post("/v1/posts", {"text": "By arq", "accounts": [account]})
        with running(command, where.environment, where.home.parent) as arq:
            assert arq.process.wait(30) == 0, arq.output
            assert "Traceback" not in arq.output
            pid = arq.process.pid
    ((attempt,),) = api.get(f"/v1/posts/{post['id']}")["attempts"].values()
    assert (attempt["outcome"], attempt["worker"]) == (
        "published",
        f"{socket.gethostname()}:{pid}",
    )


def test_arqs_own_command_runs_maintenance(where: Place, installation: Running) -> None:
    """T009: the scheduler's worker too runs by arq's own command."""
    arq = str(PROGRAM.with_name("arq"))
    ended = where.run(arq, "workers.maintenance.WorkerSettings", "--burst", seconds=30)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_arqs_own_command_checks_the_workers(where: Place, installation: Running) -> None:
    """`arq workers.….WorkerSettings --check` sees that a worker of the queue is healthy."""
    arq = str(PROGRAM.with_name("arq"))
    checked = where.run(arq, "workers.publishing.WorkerSettings", "--check", seconds=30)
    assert checked.returncode == 0, checked.stderr


def test_a_killed_worker_is_started_again(where: Place, installation: Running, api: Api) -> None:
    """SIGKILL of a worker child: another one takes its place and publishes; `up` says so."""
    (before,) = worker_pids(where)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: [pid for pid in worker_pids(where) if pid != before] != [])
    account = api.connect("feed", {"handle": "again"})
    post = api.ended(api.post("/v1/posts", {"text": "Again", "accounts": [account]})["id"])
    (attempt,) = post["attempts"][post["schedule_ids"][0]]
    (after,) = worker_pids(where)
    assert attempt["worker"] == f"{socket.gethostname()}:{after}"
    assert not alive(before)
    assert "worker ended with -9; starting it again" in installation.output
    assert installation.process.poll() is None


def test_a_second_start_says_who_holds_the_home(where: Place, installation: Running) -> None:
    """It ends with exit code 2 and one sentence, and the first one goes on."""
    before = lasting_processes_of(where.home)
    second = where.almanac("up", seconds=20)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.startswith(f"Error: The embedded servers in {where.home} are already")
    assert f"run by process {installation.process.pid} (" in second.stderr
    assert second.stderr.count("\n") == 1
    assert lasting_processes_of(where.home) == before


def test_commands_without_an_installation_are_one_line(tmp_path: Path) -> None:
    """A command that needs servers says how to get them, and exits 2."""
    alone = place(tmp_path)
    refused = alone.almanac("keys", "create", "ci", "--scope", "admin")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "Error: DATABASE_URL or REDIS_URL is unset and no embedded servers run in "
        f"{alone.home}: start them with 'almanac up', or set both URLs\n"
    )
