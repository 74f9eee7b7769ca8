"""A worker of the publishing queue that is killed at one step: killer.py MOMENT STATEMENT ID...

MOMENT is `before` or `after`, STATEMENT one of those of service.posts.claim_queries. The deliveries
with these ids wait at the step until all of them have come, and then SIGKILL ends the process.
Apart from that it is the real worker.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row

from service.db.session import Database
from service.posts import claim_queries
from service.runtime import load
from workers.engine.serve import serve


class Trap:
    """Where deliveries wait for the end."""

    def __init__(self, moment: str, statement: str, deliveries: set[UUID]) -> None:
        self._moment = moment
        self._statement: Executable = getattr(claim_queries, statement)
        self._missing = deliveries

    async def pass_by(
        self, moment: str, statement: Executable, values: dict[str, Any] | None
    ) -> None:
        """Hold a delivery that has come to the step; kill this process when it is the last."""
        delivery = (values or {}).get("delivery")
        here = moment == self._moment and statement is self._statement
        if not here or delivery not in self._missing:
            return
        self._missing.remove(delivery)
        if not self._missing:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()


def main(moment: str, statement: str, *deliveries: str) -> None:
    """Serve the queue with the trap set."""
    trap = Trap(moment, statement, {UUID(delivery) for delivery in deliveries})
    execute = Database.execute

    async def trapped(
        self: Database, statement: Executable, values: dict[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        await trap.pass_by("before", statement, values)
        rows = await execute(self, statement, values)
        await trap.pass_by("after", statement, values)
        return rows

    Database.execute = trapped  # type: ignore[method-assign] # in this process only
    asyncio.run(serve([load("workers.publishing.WorkerSettings")]))


if __name__ == "__main__":
    main(*sys.argv[1:])
