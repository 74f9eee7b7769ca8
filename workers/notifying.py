"""The jobs of what single users are told."""

from uuid import UUID

from service.notifications import notifying
from service.runtime import Runtime
from workers.engine import Context


async def notify(ctx: Context, user_id: UUID, message: str) -> UUID | None:
    """Tell a user a message."""
    return await notifying.notify(ctx["runtime"], user_id, message, ctx["job_id"])


async def mail_user(ctx: Context, notification_id: UUID) -> None:
    """Write the mail of a notification."""
    await notifying.mail_user(ctx["runtime"], notification_id)


async def digest_users(ctx: Context) -> int:
    """Write the mails of those who want one a day."""
    return await notifying.digest_users(ctx["runtime"])


async def cleanup(ctx: Context) -> int:
    """Delete what was read long ago."""
    runtime: Runtime = ctx["runtime"]
    return await notifying.cleanup(runtime, runtime.settings.notifications_retention)
