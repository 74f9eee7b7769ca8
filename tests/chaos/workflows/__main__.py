"""Run the scenarios in full size: python -m tests.chaos.workflows [--runs 10].

The fan-in of 1,000 steps with four workers, one of which is killed every 2 s; and 200 workflows of
ten steps while Valkey is wiped and killed, PostgreSQL restarted and workers killed.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from service.db import migrate
from service.runtime import open_runtime
from tests.chaos.servers import Servers, restartable
from tests.chaos.workflows.scenarios import everything_goes_away, fan_in
from tests.support import settings_for

MEMBERS, WORKFLOWS, WORKERS = 1000, 200, 4
EVERY = 2.0
"""Seconds between two kills."""


async def _fan_in(servers: Servers, folder: Path) -> str:
    settings = settings_for(servers.endpoints.database_url, servers.endpoints.redis_url, folder)
    async with open_runtime(settings, "chaos") as runtime:
        found, callbacks, output = await fan_in(
            runtime, folder, members=MEMBERS, workers=WORKERS, every=EVERY, kills=1000
        )
    good = callbacks == [("succeeded", 1)] and output == sum(range(MEMBERS))
    return f"{'ok ' if good and not found.differences else 'BAD'} {found}"


async def _everything(servers: Servers, folder: Path) -> str:
    settings = settings_for(servers.endpoints.database_url, servers.endpoints.redis_url, folder)
    async with open_runtime(settings, "chaos") as runtime:
        found = await everything_goes_away(
            runtime, servers, folder, workflows=WORKFLOWS, workers=WORKERS, every=EVERY, kills=1000
        )
    good = found.states == {"succeeded": 150, "undone": 50} and not found.doubled
    return f"{'ok ' if good and not found.differences else 'BAD'} {found}"


def main() -> None:
    """Run them, each on servers of its own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of the fan-in")
    runs = parser.parse_args().runs
    results = []
    for name, play in [("fan-in", _fan_in)] * runs + [("everything", _everything)]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
            folder = Path(made)
            with restartable(folder / "home") as servers:
                asyncio.run(migrate.upgrade(servers.endpoints.database_url))
                result = asyncio.run(play(servers, folder))
        sys.stdout.write(f"{name}: {result}\n")
        sys.stdout.flush()
        results.append(result)
    sys.exit(any(result.startswith("BAD") for result in results))


if __name__ == "__main__":
    main()
