"""TLS before a server that has none: what a client sees is a server that speaks it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a client of PostgreSQL asks with; the server agrees by one letter."""


@asynccontextmanager
async def speaking_tls(
    upstream: Path, certificate: Path, *, postgresql: bool = False
) -> AsyncIterator[int]:
    """Listen on a port of localhost, and hand what comes over TLS to a unix socket.

    Args:
        upstream: the server's socket.
        certificate: with its key.
        postgresql: whether clients ask for TLS first, in PostgreSQL's way; who does not is dropped.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            if postgresql:
                if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                    return
                writer.write(b"S")
                await writer.start_tls(context)
            to_reader, to_writer = await asyncio.open_unix_connection(str(upstream))
            ways = (_copy(reader, to_writer), _copy(to_reader, writer))
            await asyncio.wait(
                [asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED
            )
            to_writer.close()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the client does not trust us, or is gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if postgresql else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
