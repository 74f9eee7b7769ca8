"""A proxy that loses answers and keeps what it forwarded, as a witness of what was really sent."""

import asyncio
import re
from typing import Self

from tests.servers.proxy import LossyProxy

HEAD = re.compile(rb"(?s)([A-Z]+ [^ ]+) HTTP/1\.1\r\n(.*?)\r\n\r\n")


class Witness(LossyProxy):
    """Remembers the head of every request."""

    def __init__(self, server_url: str) -> None:
        super().__init__(server_url)
        self._received: list[bytes] = []

    def forget(self) -> Self:
        """Begin anew."""
        self._received.clear()
        return self

    def headers(self, request: str) -> list[dict[str, str]]:
        """Return the headers of each request such as `POST /path`, names in small letters."""
        return [
            dict(_header(line) for line in match[2].split(b"\r\n"))
            for data in self._received
            if (match := HEAD.match(data)) and match[1] == request.encode()
        ]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = reader.read

        async def recorded(n: int = -1) -> bytes:
            data = await read(n)
            self._received.append(data)
            return data

        reader.read = recorded  # type: ignore[method-assign] # of this reader only
        await super()._serve(reader, writer)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()
