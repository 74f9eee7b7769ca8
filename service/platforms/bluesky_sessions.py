"""Bluesky's sessions: renewed once, however many publications of an account want it at the time."""

import asyncio
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
            session = _newer(account.session, _stored(publication))
            if session is None or session.accessJwt == refused or _ends_soon(session):
                session = await self._renewed(publication, session)
                publication.destination.session = msgspec.to_builtins(session)
                await publication.save_session(publication.destination.session)
            account.session = session
            return session

    async def _renewed(self, publication: Publication, old: Session | None) -> Session:
        if old is not None:
            try:
                return await self._api(publication, old.refreshJwt).refresh_session()
            except AuthFailed:
                # The refresh token is used up or revoked: log in anew.
                pass
        return await log_in(self._api(publication), publication.destination.credentials)

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


def _newer(one: Session | None, other: Session | None) -> Session | None:
    """Choose by the end of the access tokens: each renewal ends later."""
    if one is None or other is None:
        return one or other
    if one.expires_at is None or other.expires_at is None:
        return other
    return one if one.expires_at > other.expires_at else other


def _ends_soon(session: Session) -> bool:
    return session.expires_at is not None and session.expires_at < now() + MARGIN
