"""Connecting accounts in a browser: to the platform's login, and back with what it allowed.

No database connection is held while a platform is asked. The state that travels through the
browser is 256 random bits, stored as a hash, good for one return by the user who began.
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from service.access.audit import note
from service.access.caller import Caller
from service.accounts import actions, authorization_queries, platforms, queries
from service.accounts import authorization_actions as logins
from service.accounts.authorization_actions import Goal, Login, Taken
from service.accounts.models import Account
from service.db.session import UnitOfWork
from service.errors import AlmanacError, InvalidInput, NotFound, Problem
from service.platforms.contract import Grant, Platform
from service.posts import actions as posts
from service.runtime import Runtime

CALLBACK = "/accounts/callback"
"""Below the public URL: where platforms send people back to."""
DECLINED = {
    "access_denied": "it was not allowed there",
    "user_denied": "it was not allowed there",
    "user_cancelled_login": "the login there was cancelled",
    "user_cancelled_authorize": "it was not allowed there",
    "invalid_scope": "the app may not ask for what publishing needs: see its settings there",
    "unauthorized_scope_error": "the app may not ask for what publishing needs: see its settings",
    "temporarily_unavailable": "its login does not work at present: try again later",
    "server_error": "its login does not work at present: try again later",
}
"""In plain words, what RFC 6749 §4.1.2.1 and the platforms call otherwise."""
MOST_QUOTED = 200
"""Characters of a platform's own words."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that a person is to go on with at `url`, until `expires_at`."""

    platform: Platform
    url: str
    state: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """An account that a login opened."""

    id: str
    grant: Grant
    connected: bool
    """Whether the user has connected it before."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a login led to: accounts that are connected, or several to choose from."""

    accounts: Sequence[Account] = ()
    choices: Sequence[Choice] = ()


def redirect_uri(runtime: Runtime) -> str:
    """Return where platforms send people back to, as their pages for apps must have it."""
    return runtime.settings.base_url + CALLBACK


def challenge(verifier: str) -> str:
    """Return PKCE's S256 challenge (RFC 7636 §4.2)."""
    digest = sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def begin(runtime: Runtime, caller: Caller, goal: Goal) -> Begun:
    """Begin a login.

    Raises:
        NotFound: the account to connect again is not there, or it is somebody else's.
        InvalidInput: the platform has no such login here, cannot fetch media here, or refuses.
    """
    goal = await _resolved(runtime, caller, goal)
    platform = platforms.known(runtime, goal.platform)
    oauth = platforms.browser_login(platform)
    platforms.refuse_unreachable(runtime.settings, platform)
    state, verifier = logins.new_secret(), logins.new_secret()
    with platforms.refusals("platform"):
        page = await oauth.authorize(goal.server, redirect_uri(runtime), state, challenge(verifier))
    async with runtime.unit_of_work() as uow:
        login = Login(goal, state, verifier, page)
        expires_at = await logins.store(uow.session, caller, runtime.keyring, login)
        subject = f"account:{goal.account_id}" if goal.account_id else f"platform:{platform.name}"
        about = {"platform": platform.name, "server": goal.server}
        await note(uow.session, caller.actor, "accounts.authorize", subject, **about)
    return Begun(platform, page.url, state, expires_at)


async def _resolved(runtime: Runtime, caller: Caller, goal: Goal) -> Goal:
    """Return a goal with the platform's own name, and an account's own platform and server."""
    if goal.account_id is None:
        platform = platforms.known(runtime, goal.platform)
        server = goal.server if platform.has_servers else ""
        return Goal(platform.name, server or platform.default_base_url)
    async with runtime.unit_of_work() as uow:
        account = await queries.account(uow.session, caller, goal.account_id)
    if account is None:
        raise NotFound("There is no such account")
    platforms.browser_login(platforms.known(runtime, account.platform, local=account.local))
    return Goal(account.platform, account.base_url, account.id)


async def finish(runtime: Runtime, caller: Caller, state: str, code: str) -> Finished:
    """Turn the code that came back into accounts; of several, a person chooses.

    Raises:
        Conflict: the state is unknown, used already, too old, or somebody else's.
        InvalidInput: the platform refuses the code, allows too little, or it is another account.
    """
    taken = await _take(runtime, caller, state)
    try:
        grants = await _exchanged(runtime, taken, code)
        if len(grants) > 1 and taken.goal.account_id is None:
            return await _kept(runtime, caller, state, grants)
        async with runtime.unit_of_work() as uow:
            account = await _connect(uow, runtime, caller, taken.goal, grants)
            await logins.end(uow.session, taken.id)
        return Finished([account])
    except AlmanacError:
        async with runtime.unit_of_work() as uow:
            await logins.end(uow.session, taken.id)
        raise


async def _take(runtime: Runtime, caller: Caller, state: str) -> Taken:
    async with runtime.unit_of_work() as uow:
        return await logins.take(uow.session, caller, runtime.keyring, state)


async def _exchanged(runtime: Runtime, taken: Taken, code: str) -> list[Grant]:
    platform = platforms.known(runtime, taken.goal.platform)
    oauth = platforms.browser_login(platform)
    with platforms.refusals("code"):
        grants = await oauth.exchange(
            taken.goal.server, redirect_uri(runtime), code, taken.verifier, taken.keep
        )
    if not grants:
        text = f"The login at {platform.title} opens no account that Almanac could publish to"
        raise InvalidInput([Problem("code", text)])
    return grants


async def _connect(
    uow: UnitOfWork, runtime: Runtime, caller: Caller, goal: Goal, grants: list[Grant]
) -> Account:
    """Store the account that was allowed, or give the one that is connected again its tokens."""
    platform = platforms.known(runtime, goal.platform)
    if goal.account_id is None:
        return await connect(uow, runtime, caller, _connection(platform, grants[0]))
    account = await queries.account(uow.session, caller, goal.account_id)
    if account is None:
        raise NotFound("There is no such account")
    same = [each for each in grants if each.profile.handle == account.handle]
    connection = _connection(platform, (same or grants)[0])
    return await reconnect(uow, runtime, caller, account.id, connection)


def _connection(platform: Platform, grant: Grant) -> actions.Connection:
    shown = [name for name, field in platform.credential_fields.items() if not field.secret]
    return actions.Connection(
        platform.name, platform.local, grant.profile, dict(grant.credentials), tuple(shown)
    )


async def connect(
    uow: UnitOfWork, runtime: Runtime, caller: Caller, connection: actions.Connection
) -> Account:
    """Store an account that its platform has accepted, and send what waited for it."""
    account = await actions.connect(uow.session, caller, runtime.keyring, connection)
    await posts.release_held(uow, account.id)
    await note(
        uow.session, caller.actor, "accounts.connect", f"account:{account.id}", **_about(account)
    )
    return account


async def reconnect(
    uow: UnitOfWork,
    runtime: Runtime,
    caller: Caller,
    account_id: UUID,
    connection: actions.Connection,
) -> Account:
    """Give an account new credentials, and send what waited for them.

    Raises:
        NotFound: there is no such account, or it is somebody else's.
        InvalidInput: they are those of another account.
    """
    account = await actions.reconnect(uow.session, caller, runtime.keyring, account_id, connection)
    await posts.release_held(uow, account_id)
    await note(
        uow.session, caller.actor, "accounts.reconnect", f"account:{account.id}", **_about(account)
    )
    return account


def _about(account: Account) -> dict[str, str]:
    return {"platform": account.platform, "handle": account.handle}


async def _kept(runtime: Runtime, caller: Caller, state: str, grants: list[Grant]) -> Finished:
    async with runtime.unit_of_work() as uow:
        await logins.keep(uow.session, caller, runtime.keyring, state, grants)
    return Finished(choices=(await choices(runtime, caller, state))[1])


async def choices(
    runtime: Runtime, caller: Caller, state: str
) -> tuple[Platform, Sequence[Choice]]:
    """Return the accounts that a login opened.

    Raises:
        Conflict: there is nothing to choose, or not any more.
    """
    async with runtime.unit_of_work() as uow:
        _, goal, grants = await logins.choices(uow.session, caller, runtime.keyring, state)
        names = [(each.profile.base_url, each.profile.handle) for each in grants]
        present = await authorization_queries.connected(
            uow.session, caller.user_id, goal.platform, names
        )
    found = [
        Choice(str(number), grant, name in present)
        for number, (name, grant) in enumerate(zip(names, grants, strict=True), 1)
    ]
    return platforms.known(runtime, goal.platform), found


async def choose(
    runtime: Runtime, caller: Caller, state: str, wanted: Collection[str]
) -> Sequence[Account]:
    """Connect the chosen ones of the accounts that a login opened; the others are forgotten.

    Raises:
        Conflict: there is nothing to choose, or not any more.
        InvalidInput: nothing is chosen, or something that is not there.
    """
    async with runtime.unit_of_work() as uow:
        login, goal, grants = await logins.choices(uow.session, caller, runtime.keyring, state)
        offered = {str(number): grant for number, grant in enumerate(grants, 1)}
        if not wanted or (unknown := sorted(set(wanted) - offered.keys())):
            text = f"'{unknown[0]}' is not among them" if wanted else "choose at least one"
            raise InvalidInput([Problem("choices", text)])
        platform = platforms.known(runtime, goal.platform)
        chosen = [_connection(platform, offered[number]) for number in dict.fromkeys(wanted)]
        accounts = [await connect(uow, runtime, caller, each) for each in chosen]
        await logins.end(uow.session, login)
    return accounts


async def decline(
    runtime: Runtime, caller: Caller, state: str, error: str, description: str
) -> tuple[Goal, str]:
    """End a login that its platform sent back without a code; return its goal and the reason.

    Raises:
        Conflict: the state is unknown, used already, too old, or somebody else's.
    """
    taken = await _take(runtime, caller, state)
    async with runtime.unit_of_work() as uow:
        await logins.end(uow.session, taken.id)
    title = platforms.known(runtime, taken.goal.platform).title
    reason = DECLINED.get(error)
    if reason is None:
        said = f"{error}: {description}" if description else error
        reason = f"{title} said '{said[:MOST_QUOTED]}'"
    return taken.goal, f"{title} is not connected: {reason}"
