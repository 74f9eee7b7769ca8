"""`almanac worker --check`: do this machine's workers serve their queues?"""

import asyncio
import socket
from collections.abc import Sequence

import typer

from service.commands.terminal import err
from service.config import Settings
from service.queue import queue_key
from service.queue.consuming import unserved
from service.runtime import open_queue


def check_workers(settings: Settings, queues: Sequence[str]) -> None:
    """Look for a worker of each queue on this machine (in a container: this one) that takes jobs.

    Says why and exits with 1 when there is none, or one takes no jobs although it could.
    """
    reasons = asyncio.run(_reasons(settings, queues))
    if reasons:
        err.print("; ".join(reasons), soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(1)


async def _reasons(settings: Settings, queues: Sequence[str]) -> list[str]:
    async with open_queue(settings) as client:
        return await unserved(client, [queue_key(queue) for queue in queues], socket.gethostname())
