"""`almanac demo`: one real post, from the HTTP API to where readers find it, step by step."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from rich.console import Console

from service import embedded
from service.access.caller import Scope
from service.config import Settings
from service.errors import AlmanacError, ConfigurationError
from service.operator import make_key
from service.stack import Stack

PATIENCE = 60
"""Seconds after the due time within which the post must be out."""
ENDED = {"published", "failed", "unconfirmed", "held", "cancelled"}


class DemoFailed(AlmanacError):
    """The post did not go out."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the demo publishes."""

    platform: str
    url: str | None
    token: str | None
    handle: str

    def account(self) -> dict[str, object]:
        """Return the request that connects the account.

        Raises:
            ConfigurationError: the platform is unknown here, or an option is missing.
        """
        credentials: dict[str, dict[str, str | None]] = {
            "feed": {"handle": self.handle},
            "mastodon": {"access_token": self.token},
            "bluesky": {"identifier": self.handle, "app_password": self.token},
            "webhook": {"url": self.url},
        }
        if self.platform not in credentials:
            raise ConfigurationError(f"--platform must be one of {', '.join(credentials)}")
        if self.platform != "feed" and not self.url:
            raise ConfigurationError(f"--platform {self.platform} needs --url")
        if self.platform in {"mastodon", "bluesky"} and not self.token:
            raise ConfigurationError(f"--platform {self.platform} needs --token")
        has_server = self.platform in {"mastodon", "bluesky"}
        return {
            "platform": self.platform,
            "base_url": self.url if has_server else None,
            "credentials": credentials[self.platform],
        }


class Steps:
    """Prints each step with the seconds since the start."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        seconds = time.monotonic() - self._began
        self._out.print(f"[dim]{seconds:6.2f} s[/]  {text}", soft_wrap=True, highlight=False)


def run_demo(settings: Settings, destination: Destination, delay: float, out: Console) -> None:
    """Run the demo and return when the post is out.

    Raises:
        DemoFailed: it is not; says why.
    """
    steps = Steps(out)
    destination.account()
    with _running(settings, steps) as found:
        key = asyncio.run(make_key(found, "demo", [Scope.ADMIN], "admin"))
        steps("made an API key")
        with httpx.Client(
            base_url=f"http://{found.host}:{found.port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        ) as api:
            _publish(api, destination, delay, steps)
    steps("[green]done[/]")


@contextmanager
def _running(settings: Settings, steps: Steps) -> Iterator[Settings]:
    """Use the installation that `almanac up` runs here, or run one until the demo ends."""
    home = settings.home.absolute()
    if settings.embedded and home.exists() and embedded.running(home) is not None:
        steps("found a running installation")
        yield settings.model_copy(update={"home": home})
        return
    with Stack(settings, log_level="WARNING") as stack:
        stack.start_servers()
        steps("PostgreSQL and Valkey are up")
        stack.migrate()
        stack.start_processes()
        steps(f"API and workers are up at {stack.settings.base_url}")
        yield stack.settings


def _publish(api: httpx.Client, destination: Destination, delay: float, steps: Steps) -> None:
    account = _post(api, "/v1/accounts", destination.account())
    steps(f"connected {account['platform']} account [bold]{account['handle']}[/]")
    due = datetime.now(UTC) + timedelta(seconds=delay)
    sentence = f"Hello from Almanac, scheduled for {due:%H:%M:%S.%f} UTC ({secrets.token_hex(3)})."
    post = _post(
        api,
        "/v1/posts",
        {"text": sentence, "accounts": [account["id"]], "publish_at": due.isoformat()},
    )
    delivery = post["deliveries"][0]
    steps(f"POST /v1/posts → scheduled for {due:%H:%M:%S.%f} UTC")
    job = _get(api, f"/v1/jobs/{delivery['job_id']}")
    steps(f"enqueued as job {job['id']} ({job['state']})")
    delivery = _ended(api, post["id"], delay)
    if delivery["state"] != "published":
        raise DemoFailed(f"The delivery is {delivery['state']}: {delivery['error']}")
    steps(f"published, {delivery['lateness_ms']} ms after its due time")
    _show(api, destination, delivery, sentence, steps)


def _ended(api: httpx.Client, post_id: str, delay: float) -> dict[str, Any]:
    deadline = time.monotonic() + delay + PATIENCE
    while True:
        delivery: dict[str, Any] = _get(api, f"/v1/posts/{post_id}")["deliveries"][0]
        if delivery["state"] in ENDED or time.monotonic() > deadline:
            return delivery
        time.sleep(0.1)


def _show(
    api: httpx.Client,
    destination: Destination,
    delivery: dict[str, Any],
    sentence: str,
    steps: Steps,
) -> None:
    if destination.platform != "feed":
        steps(f"it is at {delivery['remote_url'] or delivery['remote_id']}")
        return
    items = _get(api, f"/feeds/{destination.handle}.json")["items"]
    entry = next((item for item in items if item["id"] == delivery["id"]), None)
    if entry is None or entry["content_text"] != sentence:
        raise DemoFailed("The feed does not have the entry")
    steps(f"read back from the feed: “{entry['content_text']}”")
    steps(f"see it with 'make up' at {entry['url']}")


def _post(api: httpx.Client, path: str, body: dict[str, object]) -> dict[str, Any]:
    return _answer(api.post(path, json=body))


def _get(api: httpx.Client, path: str) -> dict[str, Any]:
    return _answer(api.get(path))


def _answer(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    if response.is_error:
        faults = "; ".join(f"{p['field']}: {p['message']}" for p in body.get("problems", ()))
        raise DemoFailed(
            f"{response.request.url.path} answered {response.status_code}: "
            f"{faults or body['detail']}"
        )
    return body
