"""Users who are told things, and what mails they get."""

from typing import Any
from uuid import UUID

from service.notifications.actions import News, notify
from tests.access.helpers import new_user
from tests.support import Installation


async def user(api: Installation, name: str, email: str | None = None, mail: str = "off") -> UUID:
    """Make a user with these wishes; return their id."""
    await new_user(api, name)
    (row,) = await api.sql("SELECT id FROM users WHERE name = :name", name=name)
    if email is not None:
        await api.sql(
            "INSERT INTO notification_settings VALUES (:id, :email, :mail)",
            id=row.id,
            email=email,
            mail=mail,
        )
    found: UUID = row.id
    return found


async def tell(api: Installation, to: UUID, *news: News) -> list[UUID | None]:
    """Tell a user things, each in a transaction of its own."""
    ids = []
    for each in news:
        async with api.runtime.unit_of_work() as uow:
            ids.append(await notify(uow, to, each))
    return ids


async def told(api: Installation, to: UUID) -> list[tuple[str, str]]:
    """Return title and mail state of what a user was told, the oldest first."""
    rows = await api.sql(
        "SELECT title, mail_state FROM user_notifications WHERE user_id = :to ORDER BY id", to=to
    )
    return [(row.title, row.mail_state) for row in rows]


async def mails(api: Installation) -> list[Any]:
    """Return all mails that are written, the oldest first."""
    return list(await api.sql("SELECT address, subject, text, kind FROM emails ORDER BY id"))
