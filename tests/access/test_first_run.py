"""The first start of an installation lets its admin in, once."""

import asyncio

import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from service.access.rules import digest, new_key
from service.db import migrate, revision
from service.operator import FirstAdmin, let_first_admin_in
from service.runtime import database_url
from tests.support import Installation

from .helpers import Browser, actions_noted

pytestmark = pytest.mark.asyncio


async def test_one_of_many_starts_makes_the_admin(api: Installation) -> None:
    """With a key and a password, whoever starts at the same time."""
    await api.sql("DELETE FROM users")
    settings = api.runtime.settings
    found = await asyncio.gather(*(let_first_admin_in(settings) for _ in range(4)))
    (first,) = [each for each in found if each is not None]
    assert isinstance(first, FirstAdmin)
    assert first.password is not None
    assert (await api.get("/v1/audit", key=first.key)).status_code == 200
    browser = Browser(api.http)
    who = (await browser.log_in("admin", first.password)).json()
    assert who["scopes"] == ["admin"]
    assert (await browser.request("GET", "/v1/audit")).status_code == 200
    assert [entry[1] for entry in await actions_noted(api)] == ["users.create", "sessions.begin"]
    rows = await api.sql("SELECT users::text || audit_log::text AS all FROM users, audit_log")
    assert all(first.password not in row.all and first.key not in row.all for row in rows)
    assert await let_first_admin_in(settings) is None


async def test_an_installation_with_a_key_is_left_alone(api: Installation) -> None:
    assert await let_first_admin_in(api.runtime.settings) is None
    rows = await api.sql("SELECT name, password FROM users")
    assert [tuple(row) for row in rows] == [("admin", None)]


async def test_the_admin_of_an_older_installation_keeps_its_scopes(api: Installation) -> None:
    """It had a key only; with a password it may do by a session what it may by the key."""
    url = database_url(api.runtime.settings)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_downgrade)
    await engine.dispose()
    await api.sql("INSERT INTO users (id, name) VALUES (gen_random_uuid(), 'bob')")
    await api.sql(
        "INSERT INTO api_keys (id, user_id, name, prefix, digest, scopes) "
        "SELECT gen_random_uuid(), id, 'old', '', :digest, '{posts:read}' FROM users "
        "WHERE name = 'bob'",
        digest=digest(new_key()),
    )
    assert await migrate.upgrade(url) == revision.head()
    rows = await api.sql("SELECT name, scopes, password, disabled_at FROM users ORDER BY name")
    assert [tuple(row) for row in rows] == [
        ("admin", ["admin"], None, None),
        ("bob", [], None, None),
    ]


def _downgrade(connection: Connection) -> None:
    command.downgrade(migrate._config(connection), "0006")
