"""A TCP proxy that loses answers: the server does its work, and the client never hears of it."""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class LossyProxy:
    """Forwards to a server; `.url` is where to call it."""

    def __init__(self, server_url: str) -> None:
        target = urlsplit(server_url)
        self._target = (target.hostname or "", target.port or 80)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lose: list[bytes] = []
        self._refuse: list[bytes] = []
        self._server: asyncio.Server | None = None
        self.url = ""
        self.lost = 0
        """How many answers were thrown away."""
        self.connections = 0
        """How many connections were taken."""

    def lose_answer(self, request_start: str) -> None:
        """Forward the next request that begins so, and break the connection at its answer."""
        self._lose.append(request_start.encode())

    def refuse(self, request_start: str) -> None:
        """Break the connection at the next request that begins so, without forwarding it."""
        self._refuse.append(request_start.encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream_reader, upstream = await asyncio.open_connection(*self._target)
        losing = asyncio.Event()
        back = asyncio.create_task(self._back(upstream_reader, writer, losing))
        try:
            while data := await reader.read(65_536):
                if _take(self._refuse, data):
                    writer.transport.abort()
                    break
                if _take(self._lose, data):
                    losing.set()
                upstream.write(data)
                await upstream.drain()
        except ConnectionError:
            pass  # the client is gone, which is what the tests provoke
        finally:
            upstream.close()
            await back

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if losing.is_set():
                    self.lost += 1
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # as above
        finally:
            writer.close()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        started: Future[int] = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = f"http://127.0.0.1:{started.result(10)}"
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _take(armed: list[bytes], data: bytes) -> bool:
    for start in armed:
        if data.startswith(start):
            armed.remove(start)
            return True
    return False
