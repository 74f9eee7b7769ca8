"""The round trip that every queue's workers answer."""

from workers.engine import Context
from workers.engine.identity import process_name


async def ping(ctx: Context) -> str:
    """Return the name of this worker."""
    return process_name()
