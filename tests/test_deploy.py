"""What an installation is made of: the image, compose.yaml, .env.example, the CI script.

No container engine is needed: validators read the files, and the compose file's own commands run
here, with its environment, on servers with its settings.
"""

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import typer.main
from pydantic import SecretStr
from ruamel.yaml import YAML

from service.cli import app
from service.config import Settings
from service.embedded.binaries import valkey_server
from service.runtime import database_url
from tests.embedded.helpers import eventually, spawned

REPOSITORY = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
SECRETS = {
    "SECRET_KEY": "a secret that only tests use",
    "POSTGRES_PASSWORD": "databasepassword",
    "VALKEY_PASSWORD": "valkeypassword",
}
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
OURS = ("api", "maintenance", "worker-io", "migrate")
NAMES = {
    str(field.validation_alias or f"ALMANAC_{name.upper()}"): name
    for name, field in Settings.model_fields.items()
}
"""The settings by their names in the environment."""


def run(program: str, *arguments: str) -> None:
    """Run a tool of the test environment on the repository; its complaints are the failure."""
    path = PROGRAMS / program
    if not path.exists():
        missing = f"{program} is not installed here: make setup, then make test"
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    done = subprocess.run(
        [path, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_passes_its_linter() -> None:
    run("hadolint", "--failure-threshold=style", "Dockerfile")


def test_the_compose_file_fits_the_specification() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_yaml_is_tidy() -> None:
    run("yamllint", "--strict", "compose.yaml")


def test_the_ci_script_is_a_program() -> None:
    script = REPOSITORY / ".ci/run"
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def instructions(name: str) -> list[str]:
    """Return what the Dockerfile says in its last stage under an instruction."""
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    stage = text[text.rindex("\nFROM ") :]
    return re.findall(rf"^{name}\s+(.*)$", stage, re.MULTILINE)


def compose(values: Mapping[str, str] = SECRETS) -> dict[str, Any]:
    """Return the compose file with its variables filled in; KeyError: a required one is missing."""

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        return (values.get(name) or rest) if kind == "-" else values[name]

    text = (REPOSITORY / "compose.yaml").read_text()
    filled: dict[str, Any] = YAML(typ="safe").load(VARIABLE.sub(fill, text))
    return filled


def accept(command: list[str]) -> None:
    """Parse a command with the command line's own parser, without running it."""
    program, name, *arguments = command
    assert program == "almanac"
    subcommands = typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group
    context = subcommands[name].make_context(name, arguments)
    for queue in context.params.get("queues", ()):
        assert (REPOSITORY / f"workers/{queue}.py").exists()


def test_commands_exist() -> None:
    """Every command that the image or compose starts is one of `almanac`, and its queues exist."""
    services = compose()["services"]
    accept(json.loads(instructions("CMD")[0]))
    for name in OURS:
        accept(services[name]["command"])
    for name in ("maintenance", "worker-io"):
        kind, *command = services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        accept(command)


def test_the_image_runs_as_nobody_special() -> None:
    (user,) = instructions("USER")
    assert all(int(number) >= 10_000 for number in user.split(":"))


def test_only_what_is_listed_goes_into_an_image() -> None:
    """The build context holds what the Dockerfile copies and nothing else: no .env, no history."""
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    copies = re.findall(r"^COPY (?!--from)(.*)$", (REPOSITORY / "Dockerfile").read_text(), re.M)
    sources = {word.partition("/")[0] for copy in copies for word in shlex.split(copy)[:-1]}
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == sources


@pytest.mark.parametrize("name", SECRETS)
def test_compose_refuses_to_start_without_a_secret(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        compose({key: value for key, value in SECRETS.items() if key != name})


def test_compose_keeps_its_servers_to_itself() -> None:
    """G062: PostgreSQL and Valkey publish no port; the API does, to this machine only."""
    whole = compose()
    services = whole["services"]
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"api": ["127.0.0.1:8000:8000"]}
    assert whole["networks"]["servers"] == {"internal": True}
    assert all(services[name]["networks"] == ["servers"] for name in ("postgres", "valkey"))


def test_running_jobs_may_end_before_they_are_killed() -> None:
    tree = ast.parse((REPOSITORY / "workers/process.py").read_text())
    # Read, not imported: importing it installs our Worker in arq for every other test.
    (wait,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPLETION_WAIT"
    )
    services = compose()["services"]
    grace = {name: int(services[name]["stop_grace_period"].removesuffix("s")) for name in OURS}
    assert min(grace.values()) >= wait + 5


def test_production_accepts_what_compose_sets() -> None:
    environment = compose()["services"]["api"]["environment"]
    named = {NAMES[name]: value for name, value in environment.items()}
    settings = Settings(_env_file=None, **named)
    assert settings.production
    assert settings.refusals() == []
    assert database_url(settings) == (
        "postgresql+asyncpg://almanac:databasepassword@postgres:5432/almanac"
    )
    assert settings.redis_url == SecretStr("redis://:valkeypassword@valkey:6379/0")


@pytest.mark.usefixtures("nothing_set")
def test_the_example_lists_every_setting_with_its_default() -> None:
    """T012: a copy of .env.example starts what an empty environment starts."""
    example = REPOSITORY / ".env.example"
    listed = re.findall(r"^(\w+)=", example.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)
    assert Settings(_env_file=example) == Settings(_env_file=None)


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any setting."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def says(process: subprocess.Popen[str], words: str) -> bool:
    """Wait until a process logs these words; say whether it did before its end."""
    assert process.stderr is not None
    return any(words in line for line in process.stderr)


def ended(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a process that was told to stop, and return its exit code."""
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"{process.args!r} did not stop; it said: {process.communicate()}")


def test_the_installation_runs(settings: Settings, tmp_path: Path) -> None:
    """N011, K047, V066: compose's processes start, are healthy by its checks, and stop in time."""
    whole = compose()
    services = whole["services"]
    queue, port = free_port(), free_port()
    assert settings.database_url is not None
    given = services["api"]["environment"]
    environment = {
        **given,
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": given["REDIS_URL"].replace("valkey:6379", f"127.0.0.1:{queue}"),
        "ALMANAC_HOME": str(tmp_path),
        "ALMANAC_HOST": "127.0.0.1",
        "ALMANAC_PORT": str(port),
    }

    def exit_code(command: list[str]) -> int:
        with spawned(command, environment=environment) as process:
            return process.wait(30)

    health = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    configuration = tmp_path / "valkey.conf"
    configuration.write_text(whole["configs"]["valkey"]["content"])
    flags = ["--port", str(queue), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    with ExitStack() as stack:
        server = [str(valkey_server()), str(configuration), *flags]
        stack.enter_context(spawned(server))
        assert eventually(lambda: listens(queue))
        with (
            redis.Redis(port=queue) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        assert exit_code(services["migrate"]["command"]) == 0
        assert exit_code(health) != 0
        processes = [
            stack.enter_context(spawned(services[name]["command"], environment=environment))
            for name in ("api", "maintenance", "worker-io")
        ]
        assert eventually(lambda: listens(port))
        assert all(says(process, "worker ready") for process in processes[1:])
        assert exit_code(health) == 0
        assert exit_code(services["worker-io"]["healthcheck"]["test"][1:]) == 0
        for process in processes:
            process.send_signal(signal.SIGTERM)
        # uvicorn ends with the signal that stopped it.
        assert [ended(process) for process in processes] == [-signal.SIGTERM, 0, 0]
