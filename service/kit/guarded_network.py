"""TCP connections to judged addresses only; the HTTP client resolves names nowhere else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

import httpcore

from service.errors import AlmanacError
from service.kit.addresses import AllowedPrivateHosts, refusal

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
"""From host and port to the addresses of the host; raises OSError when there is none."""


class OutboundRefused(AlmanacError):
    """This address may not be called from here."""

    status = 422
    slug = "outbound-refused"


async def system_resolver(host: str, port: int) -> Iterable[str]:
    """Ask the operating system, without blocking the loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return dict.fromkeys(str(entry[4][0]) for entry in found)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """What httpcore's pools open their connections with."""

    def __init__(self, allowed: AllowedPrivateHosts, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers.

        Raises:
            OutboundRefused: an address of the host is not public and was not opened.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answers, or there is none.
        """
        failure: Exception = httpcore.ConnectError(f"the name '{host}' has no address")
        for address in await self.addresses(host, port, timeout):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def addresses(self, host: str, port: int, seconds: float | None) -> list[str]:
        """Resolve a name once, and refuse it when any of its addresses is refused."""
        try:
            async with asyncio.timeout(seconds):
                addresses = list(await self._resolve(host, port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the name '{host}' was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name '{host}' was not found") from error
        for address in addresses:
            self._judge(host, port, address)
        return addresses

    def _judge(self, host: str, port: int, text: str) -> None:
        address = ip_address(text)
        reason = refusal(address)
        if reason and not self._allowed.cover(host, port, address):
            raise OutboundRefused(
                f"{host}:{port} is at {text}, which is {reason}. If this installation should call "
                f"it, add '{host}:{port}' to ALMANAC_ALLOWED_PRIVATE_HOSTS."
            )
