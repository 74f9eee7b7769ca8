"""What a dead worker held runs elsewhere at once, if somebody knows that it is dead."""

from collections.abc import Sequence
from pathlib import Path

from service.queue import QueueClient
from workers.engine.limits import Limits, script_runner

_RELEASE = (Path(__file__).with_name("scripts") / "release.lua").read_text()
_GONE_MS = 60_000
"""For so long late calls of the dead worker are refused; longer than any lease."""
_PAGE = 100


async def release_incarnation(client: QueueClient, queue_keys: Sequence[str], base: str) -> int:
    """Release every lease of a process that has ended; return how many there were.

    Call it only when the process and what it started are gone: not when a connection broke.

    Args:
        client: of the queues' server.
        queue_keys: keys of the queues that the process served.
        base: the first part of its incarnations.
    """
    released = 0
    for queue in queue_keys:
        held: list[str] = []
        by_incarnation: dict[str, list[str]] = {}
        async for job_id, token in client.hscan_iter(f"{queue}:claims", count=_PAGE):
            if token.startswith(f"{base}.".encode()):
                held.append(job_id.decode())
                by_incarnation.setdefault(token.decode().split(":")[0], []).append(held[-1])
        for start in range(0, max(1, len(held)), _PAGE):
            page = held[start : start + _PAGE]
            command = ("EVAL", _RELEASE, 1, queue, "", base, _GONE_MS, *page)
            released += await client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py
        limits = Limits(script_runner(client), queue)
        for incarnation, job_ids in by_incarnation.items():
            await limits.free_all(incarnation, job_ids)
    return released
