"""What an action of posts works with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts.queries import Account
from service.db.session import UnitOfWork
from service.platforms.contract import Platform
from service.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Desk:
    """One caller's transaction, the platforms to check against, and how far ahead to queue."""

    uow: UnitOfWork
    caller: Caller
    platforms: Mapping[str, Platform]
    horizon: timedelta
    approval: bool = False
    """Whether posts need it here."""
    known: Sequence[Account] | None = None
    """All accounts that the caller may use, where many posts are made at once."""

    @classmethod
    def of(cls, runtime: Runtime, uow: UnitOfWork, caller: Caller) -> Self:
        """Return the desk of a caller in this process."""
        settings = runtime.settings
        return cls(uow, caller, runtime.platforms, settings.enqueue_horizon, settings.approval)

    @property
    def may_schedule(self) -> bool:
        """Whether what this caller writes needs nobody else's approval."""
        return self.caller.is_admin or not self.approval

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction."""
        return self.uow.session
