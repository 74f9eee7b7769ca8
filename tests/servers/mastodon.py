"""mastodon-mock, a Mastodon written by others, as a process of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

import httpx


class MastodonServer:
    """Starts and stops the server; `.url` is where it listens."""

    token = "mock_token"

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="almanac-mastodon-")
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False)
        self.url = ""

    def start(self) -> Self:
        """Start the process; returns once it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = ["serve", "--in-memory", "--host", "127.0.0.1", "--log-level", "critical"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mastodon_mock", *command, "--port", str(port)],
            cwd=self._folder.name,
            env={**os.environ, "TMPDIR": self._folder.name},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}"
        self._client.base_url = httpx.URL(self.url)
        self._client.headers["Authorization"] = f"Bearer {self.token}"
        self._wait()
        return self

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while True:
            try:
                self._client.get("/health")
                return
            except httpx.ConnectError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End the process and remove its files."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        self._client.close()
        self._folder.cleanup()

    def reset(self) -> None:
        """Forget all posts and faults."""
        self._client.post("/api/v1/_mock/reset").raise_for_status()

    def fault(self, method: str, path: str, *, count: int | None = 1, **effect: Any) -> None:
        """Let the next `count` such requests fail; see mastodon-mock's fault injection."""
        rule = {"match": {"methods": [method], "path": path}, "effect": effect, "count": count}
        self._client.post("/api/v1/_mock/faults", json=rule).raise_for_status()

    @property
    def account_id(self) -> str:
        """The id of the token's account."""
        account = self._client.get("/api/v1/accounts/verify_credentials").raise_for_status().json()
        return str(account["id"])

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The account's posts, newest first, as the API shows them; at most 40."""
        path = f"/api/v1/accounts/{self.account_id}/statuses"
        found: list[dict[str, Any]] = self._client.get(path, params={"limit": 40}).json()
        return found

    def source(self, post_id: str) -> str:
        """The text of a post, as it was sent."""
        return str(self._client.get(f"/api/v1/statuses/{post_id}/source").json()["text"])

    def add_post(self, text: str) -> str:
        """Post by another client and return the post's id."""
        answer = self._client.post("/api/v1/statuses", json={"status": text})
        return str(answer.raise_for_status().json()["id"])

    def favourite(self, post_id: str) -> None:
        """Favourite a post."""
        self._client.post(f"/api/v1/statuses/{post_id}/favourite").raise_for_status()

    def add_media(self, content: bytes) -> str:
        """Upload an image by another client and return its id."""
        files = {"file": ("a.png", content, "image/png")}
        return str(self._client.post("/api/v2/media", files=files).raise_for_status().json()["id"])

    @property
    def uploads(self) -> int:
        """How many images were uploaded since the start."""
        return sum(1 for _, _, files in os.walk(self._folder.name) for _ in files)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
