"""Somebody changes their own password: at once in two places, or as somebody who is disabled."""

import asyncio
from collections.abc import Sequence

import pytest

from service.access import own_password
from service.access.caller import Caller
from service.access.login import Login
from service.access.queries import user_by_name
from service.access.session_actions import Visit, caller_of
from service.access.throttle import Throttle
from service.errors import Conflict, InvalidInput
from tests.support import Installation

from .helpers import PASSWORD, Browser, new_user

pytestmark = pytest.mark.asyncio
VISIT = Visit(address="127.0.0.1", user_agent=None, cookie=None)


async def ann(api: Installation) -> Caller:
    """Make a user."""
    await new_user(api, "ann")
    async with api.runtime.unit_of_work() as uow:
        user = await user_by_name(uow.session, "ann")
    assert user is not None
    return caller_of(user)


async def change(api: Installation, caller: Caller, *passwords: str) -> Sequence[object]:
    """Change the password to each of these at once; return what came of each."""
    settings = api.runtime.settings
    throttle = Throttle(api.runtime.queue, settings.login_attempts, settings.login_window)
    tries = (
        own_password.change(api.runtime, throttle, caller, PASSWORD, new, VISIT)
        for new in passwords
    )
    return await asyncio.gather(*tries, return_exceptions=True)


async def test_one_of_two_changes_at_once_counts(api: Installation) -> None:
    """The other is told; one session is left, and one password."""
    caller = await ann(api)
    passwords = ("the first of two", "the second of two")
    results = await change(api, caller, *passwords)
    done = [isinstance(result, Login) for result in results]
    assert sorted(done) == [False, True]
    assert isinstance(results[done.index(False)], Conflict | InvalidInput)
    assert await api.count("sessions") == 1
    right, wrong = passwords[done.index(True)], passwords[done.index(False)]
    assert (await Browser(api.http).log_in("ann", right)).status_code == 201
    assert (await Browser(api.http).log_in("ann", wrong)).status_code == 401


async def test_a_user_who_was_disabled_changes_nothing(api: Installation) -> None:
    caller = await ann(api)
    await api.sql("UPDATE users SET disabled_at = now() WHERE name = 'ann'")
    (result,) = await change(api, caller, "another good one")
    assert isinstance(result, Conflict)
    assert await api.count("sessions") == 0
