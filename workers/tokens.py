"""The job that renews tokens before they end."""

from service.accounts import renewing
from service.runtime import Runtime
from workers.engine import Context


async def renew(ctx: Context) -> dict[str, int]:
    """Renew what ends soon."""
    runtime: Runtime = ctx["runtime"]
    return dict(await renewing.run(runtime))
