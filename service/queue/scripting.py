"""Running the scripts beside this module."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from arq.connections import ArqRedis

SERVER_CLOCK = ""
"""First argument of every script: the present time is the server's."""
LARGEST_BATCH = 100
"""Items of one call: a script blocks the server, about 1 ms for this many."""

_SCRIPTS = Path(__file__).with_name("scripts")
_ANNOUNCE = (_SCRIPTS / "announce.part").read_text()

Script = Callable[..., Awaitable[Any]]


def script(name: str) -> Script:
    """Return a coroutine function that runs a script: `await run(client, keys, *arguments)`.

    `now`, in Unix ms, replaces the server's clock. The script is sent as text (EVAL), which a
    restarted server or a flushed script cache cannot have forgotten. Raises redis-py's errors.
    """
    text = source(name)

    async def run(
        client: ArqRedis, keys: Sequence[str], *arguments: Any, now: int | str = SERVER_CLOCK
    ) -> Any:
        reply = client.eval(text, len(keys), *keys, str(now), *arguments)
        return await cast("Awaitable[Any]", reply)

    return run


def source(name: str) -> str:
    """Return the text of a script."""
    return whole((_SCRIPTS / f"{name}.lua").read_text())


def whole(text: str) -> str:
    """Return a script with the part that its line `-- with announce` stands for."""
    return text.replace("-- with announce\n", _ANNOUNCE)


def batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the items in pieces of at most `LARGEST_BATCH`."""
    for start in range(0, len(items), LARGEST_BATCH):
        yield items[start : start + LARGEST_BATCH]
