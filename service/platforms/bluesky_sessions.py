"""Bluesky's sessions: renewed once, however many publications of an account want it at the time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

import msgspec

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.bluesky_api import Api, Session, TokenExpired
from service.platforms.contract import AuthFailed, Publication

T = TypeVar("T")

MARGIN = timedelta(minutes=2)
"""A token that ends sooner is renewed beforehand."""
ACCOUNTS = 1_000
"""Of so many accounts the newest session is remembered between publications."""


class _Account:
    """What this process knows of one account."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.session: Session | None = None
        self.replaced: deque[str] = deque(maxlen=8)
        """Access tokens that were renewed: a row that has one of them was read before that."""

    def newest(self, stored: Session | None) -> Session | None:
        """Choose between the remembered session and the one that the row had."""
        if stored is None or stored.accessJwt in self.replaced:
            return self.session or stored
        return stored

    def replace(self, old: Session | None, new: Session) -> None:
        """Remember a renewed session."""
        if old is not None:
            self.replaced.append(old.accessJwt)
        self.session = new


class Sessions:
    """Gives out clients that are logged in."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._account: Callable[[UUID], _Account] = lru_cache(ACCOUNTS)(lambda _: _Account())

    async def use(
        self, publication: Publication, work: Callable[[Api, Session], Awaitable[T]]
    ) -> T:
        """Run `work` logged in; once more with a renewed session if the token is refused.

        `work` must be repeatable.
        """
        session = await self._session(publication, refused=None)
        try:
            return await work(self._api(publication, session.accessJwt), session)
        except TokenExpired:
            session = await self._session(publication, refused=session.accessJwt)
            return await work(self._api(publication, session.accessJwt), session)

    async def _session(self, publication: Publication, *, refused: str | None) -> Session:
        account = self._account(publication.destination.id)
        async with account.lock:
            session = account.newest(_stored(publication))
            if session is None or session.accessJwt == refused or _ends_soon(session):
                old, session = session, await self._renewed(publication, session)
                account.replace(old, session)
                publication.destination.session = msgspec.to_builtins(session)
                await publication.save_session(publication.destination.session)
            return session

    async def _renewed(self, publication: Publication, old: Session | None) -> Session:
        credentials = publication.destination.credentials
        if old is None:
            return await log_in(self._api(publication), credentials)
        try:
            return await self._api(publication, old.refreshJwt).refresh_session()
        except AuthFailed:
            # The refresh token is used up or revoked.
            return await log_in(self._api(publication), credentials)

    def _api(self, publication: Publication, token: str = "") -> Api:
        return Api(self._outbound, publication.destination.base_url, token)


async def log_in(api: Api, credentials: Mapping[str, str]) -> Session:
    """Make a session from what the person gave."""
    identifier = credentials["identifier"].strip().removeprefix("@")
    return await api.create_session(identifier, credentials["app_password"].strip())


def _stored(publication: Publication) -> Session | None:
    try:
        return msgspec.convert(publication.destination.session, Session)
    except msgspec.ValidationError:
        return None


def _ends_soon(session: Session) -> bool:
    return session.expires_at is not None and session.expires_at < now() + MARGIN
