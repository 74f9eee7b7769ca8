"""The jobs of planning, run by the maintenance queue."""

from service.planning import making
from workers.engine import Context


async def recur(ctx: Context) -> int:
    """Schedule the next post of every recurring post."""
    return await making.make_due(ctx["runtime"])
