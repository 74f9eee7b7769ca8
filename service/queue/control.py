"""Telling a worker what to do: ping, quiet, resume, shutdown.

A command is an element of the worker's own list, which the server tells it of at once; the answer
comes in a list made for it. A command names one of four acts, never code.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from secrets import token_hex
from typing import Literal, cast

import msgspec
from arq.connections import ArqRedis

from service.queue import presence
from service.queue.presence import Address

Command = Literal["ping", "quiet", "resume", "shutdown"]
KEPT_MS = 60_000
"""For which a command, or an answer, that nobody reads is kept."""


class Order(msgspec.Struct, frozen=True):
    """A command on its way."""

    command: Command
    by: str
    """Who gives it, for the worker's log."""
    reply: str
    """Key of the list that takes the answer."""
    until_ms: int
    """Unix ms by the clock of Redis after which nobody waits for it: it is not obeyed any more."""


class Answer(msgspec.Struct, frozen=True):
    """What a worker says to a command."""

    worker: str
    """Its name."""
    said: Literal["pong", "quiet", "running", "stopping"]
    """`quiet` or `running` is its new state. One that stops already says `stopping` to all."""
    loop_lag_ms: float
    busy: int
    """Jobs that it runs."""


async def tell(
    client: ArqRedis,
    worker: str,
    command: Command,
    *,
    by: str,
    timeout: float = 3,  # noqa: ASYNC109 - how long a command is valid, too
) -> Answer | None:
    """Tell a worker what to do, and wait for what it says.

    A process that serves several queues is told for each of them, and has answered when all have:
    the answer is the last one, with the longest lag and the sum of the running jobs.

    Args:
        client: where its queues are.
        worker: its name, `host:pid`.
        command: `quiet`: claim nothing more, running jobs go on. `resume`: claim again. `shutdown`:
            stop as at SIGTERM, all queues of the process.
        by: who tells.
        timeout: seconds to wait; a command that was not read by then is never obeyed.

    Returns None when no such worker is alive, or it does not answer in time. Raises redis-py's
    errors.
    """
    addresses = [known for known in await presence.alive(client) if known.name == worker]
    if not addresses:
        return None
    seconds, microseconds = await client.time()
    until = round(seconds * 1000 + microseconds / 1000 + timeout * 1000)
    order = Order(command, by, f"almanac:answer:{token_hex(8)}", until)
    await _send(client, addresses, order)
    answers = await _answers(client, order.reply, len(addresses), timeout)
    if len(answers) < len(addresses):
        return None
    return msgspec.structs.replace(
        answers[-1],
        loop_lag_ms=max(each.loop_lag_ms for each in answers),
        busy=sum(each.busy for each in answers),
    )


async def _send(client: ArqRedis, addresses: Sequence[Address], order: Order) -> None:
    text = msgspec.json.encode(order)
    async with client.pipeline(transaction=False) as pipe:
        for address in addresses:
            pipe.rpush(address.control, text)
            pipe.pexpire(address.control, KEPT_MS)
        await pipe.execute()


async def _answers(client: ArqRedis, key: str, wanted: int, seconds: float) -> list[Answer]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    answers: list[Answer] = []
    while len(answers) < wanted and (left := deadline - loop.time()) > 0:
        # Short waits: the connection itself gives up a reply that takes long.
        asked = client.blpop([key], timeout=min(left, 1))  # type: ignore[arg-type] # not only whole ones
        found = await cast("Awaitable[tuple[bytes, bytes] | None]", asked)
        if found is not None:
            answers.append(msgspec.json.decode(found[1], type=Answer))
    return answers


def read_orders(texts: Sequence[bytes], now_ms: float) -> list[Order]:
    """Return the commands that somebody still waits for; what is no command is left out."""
    orders = []
    for text in texts:
        try:
            order = msgspec.json.decode(text, type=Order)
        except msgspec.DecodeError:  # validation errors are such too
            continue
        if now_ms <= order.until_ms:
            orders.append(order)
    return orders
