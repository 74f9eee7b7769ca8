"""The recorder alone: python -m tests.chaos.recorder_program."""

import asyncio
import logging

from service.config import Settings
from service.runtime import open_runtime
from workers import loops, recorder


async def main() -> None:
    """Record until killed."""
    logging.basicConfig(level=logging.WARNING)
    async with open_runtime(Settings(), "recorder") as runtime:
        print("ready", flush=True)  # noqa: T201 - the test waits for it
        await loops.run_alone(runtime, recorder.LOCK, "the recorder", recorder.serve)


if __name__ == "__main__":
    asyncio.run(main())
