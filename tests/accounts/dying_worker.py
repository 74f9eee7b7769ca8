"""A worker that begins to renew an account's token; its test kills it on the way.

Arguments: settings as JSON, the network's URL, the account's id.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from service.accounts import refreshing
from service.platforms.contract import Destination
from service.runtime import open_runtime
from tests.accounts.network import NAME, Network, install
from tests.servers.oauth import OAuthServer
from tests.support import settings_for


class _Elsewhere(OAuthServer):
    """The network of another process, of which only the address is known."""

    def __init__(self, url: str) -> None:
        self.url = url


async def main(database: str, redis: str, home: str, url: str, account: str) -> None:
    """Renew the token."""
    settings = settings_for(database, redis, Path(home))
    async with open_runtime(settings, "dying") as runtime:
        install(runtime, _Elsewhere(url))
        network = runtime.platforms[NAME]
        destination = Destination(UUID(account), "", "", {}, Network.limits)
        await refreshing.exchange(runtime, network, destination, timedelta(minutes=30))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
