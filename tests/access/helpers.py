"""Users of tests, and their logins."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from service.access import passwords, user_actions
from tests.support import Installation

PASSWORD = "correct horse battery"
_hashes: dict[str, str] = {}
"""By password: a hash takes as long as several requests."""


async def new_user(api: Installation, name: str, *scopes: str, password: str = PASSWORD) -> None:
    """Make a user who can log in."""
    if password not in _hashes:
        _hashes[password] = await passwords.hashed(password)
    stored = _hashes[password]
    async with api.runtime.unit_of_work() as uow:
        await user_actions.create_user(uow.session, name, scopes or ["posts:read"], stored)


@dataclass(slots=True)
class Browser:
    """Somebody at a browser: sends its cookie by itself, and the CSRF token when it has one."""

    http: httpx.AsyncClient
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """Log in, and keep the token."""
        body = {"name": name, "password": password}
        reply = await self.http.post("/v1/session", json=body, headers=dict(self.headers))
        if reply.status_code == 201:
            self.token = reply.json()["csrf_token"]
        return reply

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as a page of ours does."""
        headers = {"X-CSRF-Token": self.token, **self.headers, **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)


async def actions_noted(api: Installation) -> list[tuple[str, str, str]]:
    """Return actor, action and subject of everything in the audit log, the earliest first."""
    rows = await api.sql("SELECT actor, action, subject FROM audit_log ORDER BY id")
    return [tuple(row) for row in rows]


READING: Mapping[bytes, tuple[str, ...]] = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"zset": ("ZRANGE", "0", "-1"),
    b"list": ("LRANGE", "0", "-1"),
    b"set": ("SMEMBERS",),
    b"stream": ("XRANGE", "-", "+"),
}


async def dump_of_redis(api: Installation) -> str:
    """Return every key of Redis with its whole value."""
    redis = api.runtime.queue
    found = []
    async for key in redis.scan_iter():
        command, *rest = READING[await redis.type(key)]
        script = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"
        value = await cast("Awaitable[Any]", redis.eval(script, 1, key, command, *rest))
        found.append(repr((key, value)))
    assert found
    return "\n".join(found)
