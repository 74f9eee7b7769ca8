"""The audit log: who did what to what. Nothing in it is ever changed or deleted."""

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.models import AuditEntry
from service.kit.ids import milliseconds_of, uuid7
from service.kit.text import storable
from service.queue.headers import HEADERS

ADDRESS: ContextVar[str | None] = ContextVar("address", default=None)
"""Where the present request came from."""


async def note(
    session: AsyncSession, actor: str, action: str, subject: str, **detail: object
) -> None:
    """Write down, in the caller's transaction, that somebody does something.

    Args:
        session: of the transaction that does it; for an act on Redis alone, one committed before.
        actor: `Caller.actor`, `cli:<user of the system>` or `schedule:<name>`.
        action: `domain.verb`, such as `jobs.cancel`.
        subject: what it is done to, such as a job's id or `queue:publishing`.
        detail: what else matters; never a secret, and nothing that a person keeps private.
    """
    entry = uuid7()
    session.add(
        AuditEntry(
            id=entry,
            at=datetime.fromtimestamp(milliseconds_of(entry) / 1000, UTC),
            actor=storable(actor),
            action=action,
            subject=storable(subject),
            detail=_storable(msgspec.to_builtins(detail)),
            address=ADDRESS.get(),
            trace=HEADERS.get().get("trace"),
        )
    )


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(name): _storable(inner) for name, inner in value.items()}
        case list():
            return [_storable(inner) for inner in value]
    return value
