"""An installation as a newcomer has it: `almanac up` on an empty home, and an HTTP client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import Running, environment, free_port, processes_of, running
from tests.embedded.helpers import eventually

PROGRAM = Path(sys.executable).with_name("almanac")
GONE = 10
"""Seconds within which nothing is left of a killed installation: PostgreSQL writes its data."""
ENDED = {"published", "failed", "unconfirmed", "held", "cancelled"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation is or will be: its home, and the environment of its commands."""

    home: Path
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """Where its API listens."""
        return f"http://127.0.0.1:{self.environment['ALMANAC_PORT']}"

    def almanac(self, *arguments: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return self.run(str(PROGRAM), *arguments, seconds=seconds)

    def run(self, *command: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def new_key(self, name: str) -> str:
        """Make an admin's key by the command line."""
        made = self.almanac("keys", "create", name, "--scope", "admin", "--json")
        assert made.returncode == 0, made.stderr
        key: str = json.loads(made.stdout)["key"]
        return key


def place(folder: Path, **names: str) -> Place:
    """Return a place for a new installation below a folder, on a free port."""
    home = folder / "home"
    port = str(free_port())
    return Place(home, environment(ALMANAC_HOME=str(home), ALMANAC_PORT=port, **names))


@contextmanager
def up(place: Place) -> Iterator[Running]:
    """Run `almanac up` until the end of the block, without a terminal."""
    with running([str(PROGRAM), "up"], place.environment, place.home.parent) as process:
        process.wait_for("Ready.")
        yield process


def nothing_left(home: Path) -> bool:
    """Wait until no process of an installation is left."""
    return eventually(lambda: processes_of(home) == [], GONE)


class Api:
    """A client of an installation's HTTP API."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """GET a JSON document."""
        return self._http.get(path).raise_for_status().json()

    def post(self, path: str, body: object) -> Any:
        """POST JSON."""
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def upload(self, name: str, content: bytes) -> str:
        """Upload an image and return its id."""
        answer = self._http.post("/v1/media", files={"file": (name, content)})
        assert answer.status_code == 201, answer.text
        media_id: str = answer.json()["id"]
        return media_id

    def connect(self, platform: str, credentials: dict[str, str], base_url: str = "") -> str:
        """Connect an account and return its id."""
        body = {"platform": platform, "credentials": credentials, "base_url": base_url or None}
        account_id: str = self.post("/v1/accounts", body)["id"]
        return account_id

    def ended(self, post_id: str, seconds: float = 30) -> Any:
        """Return a post once all its deliveries have ended."""

        def read() -> Any:
            return self.get(f"/v1/posts/{post_id}")

        assert eventually(
            lambda: {delivery["state"] for delivery in read()["deliveries"]} <= ENDED, seconds
        ), read()
        return read()
