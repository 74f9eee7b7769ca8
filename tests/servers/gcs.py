"""gcp-storage-emulator, Google's resumable protocol written by others, as a process of its own."""

import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import httpx

START = "from gcp_storage_emulator.__main__ import main; import sys; sys.exit(main(sys.argv[1:]))"
BUCKET = "films"


class StorageServer:
    """Starts and stops the server; `.url` is where it listens."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False)
        self.url = ""

    def start(self) -> Self:
        """Start the process; returns once it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        where = ["--host=127.0.0.1", f"--port={port}", "--in-memory", f"--default-bucket={BUCKET}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, "start", *where],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                self._client.get(self.url)
                return self
            except httpx.ConnectError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def begin(self, name: str, content_type: str) -> str:
        """Open an upload session and return its URI."""
        answer = self._client.post(
            f"{self.url}/upload/storage/v1/b/{BUCKET}/o",
            params={"uploadType": "resumable", "name": name},
            json={"contentType": content_type},
        )
        return str(answer.raise_for_status().headers["location"])

    def content(self, name: str) -> bytes:
        """Return what was uploaded."""
        url = f"{self.url}/download/storage/v1/b/{BUCKET}/o/{name}"
        return self._client.get(url, params={"alt": "media"}).raise_for_status().content

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        self._client.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
