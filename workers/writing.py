"""Jobs that write newsletters."""

from typing import Any

from service.newsletters import generating
from workers.engine import Context


async def generate(
    ctx: Context, topic: str, style: str = "concise", sources: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Write a newsletter and return it."""
    written = await generating.write(ctx["runtime"], topic, style, sources)
    return written.as_dict()
