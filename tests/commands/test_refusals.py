"""What people see when a command cannot do what they want: one line, and exit code 2."""

from pathlib import Path

import pytest

from tests.e2e.installed import PROGRAM, Place, place
from tests.e2e.processes import environment

SECRET = "hunter2hunter2"
NOBODY = f"redis://:{SECRET}@127.0.0.1:1/0"
NO_DATABASE = f"postgresql://me:{SECRET}@127.0.0.1:1/almanac"


def somewhere(folder: Path, **names: str) -> Place:
    """Return a place whose servers are given by URL."""
    given = {"DATABASE_URL": NO_DATABASE, "REDIS_URL": NOBODY, "ALMANAC_ENV": "development"}
    secret = "a secret that only tests use"
    return Place(folder / "home", environment(SECRET_KEY=secret, **(given | names)))


@pytest.mark.parametrize(
    ("command", "names", "wanted"),
    [
        (
            "jobs list",
            {},
            "PostgreSQL at DATABASE_URL postgresql://***@127.0.0.1:1/almanac does not answer",
        ),
        ("workers list", {}, "Redis at REDIS_URL redis://***@127.0.0.1:1/0 does not answer"),
        ("migrate", {"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with postgresql://"),
        (
            "migrate",
            {"DATABASE_URL": f"postgresql://me:{SECRET}@host:port/x"},
            "DATABASE_URL: host or port cannot be read",
        ),
        ("workers list", {"REDIS_URL": f"http://:{SECRET}@x"}, "REDIS_URL: "),
        (
            "workers list",
            {"CELERY_BROKER_URL": f"redis://:{SECRET}@127.0.0.1:1/3"},
            "Redis at REDIS_URL redis://***@127.0.0.1:1/3 does not answer",
        ),
        (
            "workers list",
            {"CELERY_RESULT_BACKEND": f"redis://:{SECRET}@127.0.0.1:2/0"},
            "CELERY_RESULT_BACKEND names another server than the queues'",
        ),
        (
            "workers list",
            {"CELERY_RESULT_BACKEND": f"redis://:{SECRET}@127.0.0.1:1/7"},
            "Redis at REDIS_URL redis://***@127.0.0.1:1/0 does not answer",
        ),
        ("worker publishing", {}, "Redis at REDIS_URL redis://***@127.0.0.1:1/0 does not answer"),
    ],
)
def test_servers_that_cannot_be_used(
    tmp_path: Path, command: str, names: dict[str, str], wanted: str
) -> None:
    """N016, N046, N047, T050, T051, T065, V086, K071: which variable, where, what to check."""
    done = somewhere(tmp_path, **names).almanac(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {wanted}")
    assert SECRET not in line


def test_status_says_what_is_down(tmp_path: Path) -> None:
    """N015: every part is named; exit 1."""
    done = somewhere(tmp_path, ALMANAC_PORT="1").almanac("status")
    assert done.returncode == 1
    assert done.stderr == "Down: PostgreSQL, Redis, API, workers, maintenance, scheduler\n"
    assert SECRET not in done.stdout


def test_status_of_what_never_started(tmp_path: Path) -> None:
    """N015: no embedded server runs: exit 1, and how to start."""
    done = place(tmp_path).almanac("status")
    assert (done.returncode, done.stderr) == (1, "Down: servers\n")
    assert "almanac up" in " ".join(done.stdout.split())


def test_verify_without_servers(tmp_path: Path) -> None:
    """V064, K059: it fails clearly, and tells of what needs no server."""
    done = somewhere(tmp_path).almanac("verify")
    assert done.returncode == 1
    lines = {
        line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line[:4].strip()
    }
    assert (lines["imports"], lines["jobs"], lines["schedules"]) == ("pass", "pass", "pass")
    assert (lines["PostgreSQL"], lines["Redis"], lines["workers"]) == ("FAIL", "FAIL", "FAIL")
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["jobs", "nonsense"], ["status", "--nonsense"]]
)
def test_what_there_is_not(tmp_path: Path, arguments: list[str]) -> None:
    """N020: usage, and exit 2."""
    done = place(tmp_path).almanac(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: almanac ")


def test_help_names_every_group(tmp_path: Path) -> None:
    """N020: help is no mistake; the commands of a group are imported when it is asked for."""
    shown = place(tmp_path).almanac("--help")
    assert shown.returncode == 0
    for group in ("jobs", "queues", "workers", "dead", "workflows", "schedules", "keys"):
        assert f"│ {group} " in shown.stdout
    imported = place(tmp_path).run(
        str(PROGRAM.with_name("python")),
        *("-c", "import sys; import service.cli; print('sqlalchemy' in sys.modules)"),
    )
    assert imported.stdout == "False\n"
    assert "pause" in place(tmp_path).almanac("queues", "--help").stdout


def test_monitor_needs_a_terminal(tmp_path: Path) -> None:
    done = place(tmp_path).almanac("monitor")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: almanac monitor needs a terminal: use almanac status --json\n"
