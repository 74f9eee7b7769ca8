"""The job of sessions, run by the maintenance queue."""

from service.access import session_actions
from service.runtime import Runtime
from workers.engine import Context


async def clean(ctx: Context) -> dict[str, int]:
    """End logins that nobody uses."""
    runtime: Runtime = ctx["runtime"]
    settings = runtime.settings
    async with runtime.unit_of_work() as uow:
        return await session_actions.clean(
            uow.session, settings.session_idle, settings.inactive_after
        )
