"""What an action of posts works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
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

    @classmethod
    def of(cls, runtime: Runtime, uow: UnitOfWork, caller: Caller) -> Self:
        """Return the desk of a caller in this process."""
        return cls(uow, caller, runtime.platforms, runtime.settings.enqueue_horizon)

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction."""
        return self.uow.session
