"""`almanac worker --check`: do this machine's workers serve their queues?"""

import asyncio
import socket
from collections.abc import Sequence

import typer

from service.commands.terminal import err
from service.config import Settings
from service.errors import AlmanacError
from service.queue import queue_key
from service.queue.consuming import unserved
from service.runtime import open_queue


class Unhealthy(AlmanacError):
    """A queue is not served."""


def check_workers(settings: Settings, queues: Sequence[str]) -> None:
    """Look for a worker of each queue on this machine (in a container: this one) that takes jobs.

    Raises:
        Unhealthy: there is none, or one takes no jobs although it could.
    """
    reasons = asyncio.run(_reasons(settings, queues))
    if reasons:
        raise Unhealthy("; ".join(reasons))


def check_or_exit(settings: Settings, queues: Sequence[str]) -> None:
    """Say why a queue is not served, and exit with 1: a probe asks, it makes no mistake."""
    try:
        check_workers(settings, queues)
    except Unhealthy as error:
        err.print(error.message, soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(1) from None


async def _reasons(settings: Settings, queues: Sequence[str]) -> list[str]:
    async with open_queue(settings) as client:
        return await unserved(client, [queue_key(queue) for queue in queues], socket.gethostname())
