"""Mails about incidents: one at once, or all of a day together."""

from collections.abc import Sequence
from uuid import UUID

from service.kit.clock import now
from service.notifications import queries, rules
from service.notifications.models import Notice
from service.providers.mail.contract import Mail
from service.providers.mail.opening import open_mail
from service.providers.mail.telling import tell
from service.runtime import Runtime


async def mail_notice(runtime: Runtime, notice_id: UUID) -> None:
    """Send one incident, if mails are wanted and none told of it. Raises as `tell`."""
    notices = await _unmailed(runtime, notice_id)
    if notices and runtime.settings.mails_at_once:
        notice = notices[0]
        text = rules.mail_text(notice)
        await _send(runtime, notices, notice.title, text, f"notice-{notice.id}")


async def mail_digest(runtime: Runtime) -> int:
    """Send all incidents that no mail told of; return how many. Raises as `tell`."""
    if not runtime.settings.mails_daily:
        return 0
    if notices := await _unmailed(runtime):
        title = f"{len(notices)} incidents" if len(notices) > 1 else notices[0].title
        text = rules.digest_text(notices)
        await _send(runtime, notices, title, text, f"digest-{now():%Y%m%d}")
    return len(notices)


async def _unmailed(runtime: Runtime, notice_id: UUID | None = None) -> Sequence[Notice]:
    async with runtime.unit_of_work() as uow:
        return await queries.unmailed(uow.session, notice_id)


async def _send(
    runtime: Runtime, notices: Sequence[Notice], title: str, text: str, key: str
) -> None:
    settings = runtime.settings
    mail = Mail(
        sender=settings.mail_from,
        subject=" ".join(f"[Almanac] {title}".split()),
        text=f"{text}\n{settings.base_url}/notifications\n",
    )
    await tell(open_mail(settings, runtime.outbound), mail, settings.alert_mail, key)
    async with runtime.unit_of_work() as uow:
        await queries.mark_mailed(uow.session, [notice.id for notice in notices])
