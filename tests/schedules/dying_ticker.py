"""A ticker that comes as far as the claim of one tick, and waits there: dying_ticker.py NAME

The schedule of this name gets a tick in a second. What is killed here has claimed it and has not
committed.
"""

import asyncio
import sys

from sqlalchemy import text

from service.config import Settings
from service.runtime import open_runtime
from service.schedules import queries, ticking
from workers import periodic

SOON = text(
    "UPDATE schedules SET next_tick_at = clock_timestamp() + interval '1 second'"
    " WHERE name = :name RETURNING next_tick_at"
)


async def main(name: str) -> None:
    """Claim the tick and say so."""
    claim = queries.claim

    async def claim_and_wait(*arguments: object) -> bool:
        assert await claim(*arguments)  # type: ignore[arg-type] # handed on
        sys.stdout.write("claimed\n")
        sys.stdout.flush()
        return await asyncio.Event().wait()

    queries.claim = claim_and_wait  # type: ignore[assignment] # in this process only
    assert periodic.JOBS
    async with open_runtime(Settings(), "dying") as runtime:
        ((tick,),) = await runtime.database.execute(SOON, {"name": name})
        await ticking.fire_due(runtime, tick, [name])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
