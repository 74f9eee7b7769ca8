"""The jobs of notifications, run by the maintenance queue."""

from uuid import UUID

from service.notifications import mailing
from workers.engine import Context


async def mail(ctx: Context, notice_id: UUID) -> None:
    """Send one incident."""
    await mailing.mail_notice(ctx["runtime"], notice_id)


async def digest(ctx: Context) -> int:
    """Send the incidents of the day."""
    return await mailing.mail_digest(ctx["runtime"])
