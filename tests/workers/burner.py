"""A process whose child computes for ever: burner.py FILE."""

import asyncio
import sys
from pathlib import Path

from tests.workers import burning
from workers.engine.processes import run_in_process

if __name__ == "__main__":
    asyncio.run(run_in_process(burning.burn, Path(sys.argv[1])))
