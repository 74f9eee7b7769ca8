"""`almanac keys`, `almanac users` and `almanac secrets`."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from service.accounts import actions as accounts
from service.commands.secrets import rotate_all
from service.errors import AlmanacError, Conflict, InvalidInput, NotFound
from service.kit.crypto import CannotDecrypt, Keyring
from service.operator import OPERATOR
from service.runtime import open_runtime
from tests.servers.webhook import WebhookServer
from tests.support import Installation

from .conftest import Command
from .helpers import PASSWORD, Browser, actions_noted

pytestmark = pytest.mark.asyncio


async def refusal(command: Command, *arguments: str, **options: str) -> AlmanacError:
    """Return why a command is refused."""
    result = await command(*arguments, **options)
    assert isinstance(result.exception, AlmanacError), result.output
    return result.exception


async def test_a_key_from_making_to_revoking(api: Installation, command: Command) -> None:
    """V082: as the operator at this terminal."""
    made = await command("keys", "create", "import", "--scope", "posts:read", "--user", "ann",
                         "--expires", "90d", "--json")  # fmt: skip
    key = json.loads(made.stdout)["key"]
    assert (await api.get("/v1/posts", key=key)).status_code == 200
    listed = json.loads((await command("keys", "list", "--json")).stdout)["items"]
    assert [item["name"] for item in listed] == ["import", "admin"]
    ends = datetime.fromisoformat(listed[0]["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < ends <= timedelta(days=90)
    assert key not in json.dumps(listed)
    table = (await command("keys", "list")).stdout
    assert key[:14] in table
    assert key not in table
    revoked = await command("keys", "revoke", key[:14])
    assert revoked.stdout == "Key 'import' of ann is revoked\n"
    assert (await api.get("/v1/posts", key=key)).status_code == 401
    assert await actions_noted(api) == [
        (OPERATOR.actor, "keys.create", "key:import"),
        (OPERATOR.actor, "keys.revoke", f"key:{listed[0]['id']}"),
    ]
    assert OPERATOR.actor.startswith("cli:")


async def test_a_key_that_cannot_be_found(api: Installation, command: Command) -> None:
    error = await refusal(command, "keys", "revoke", "almanac_zzzzzz")
    assert isinstance(error, NotFound)
    await api.new_key("posts:read")
    error = await refusal(command, "keys", "revoke", "almanac_")
    assert isinstance(error, Conflict)
    assert [row.revoked_at for row in await api.sql("SELECT revoked_at FROM api_keys")] == [
        None,
        None,
    ]


async def test_a_user_from_making_to_disabling(api: Installation, command: Command) -> None:
    """V082: the password comes from the input, and is no argument."""
    made = await command("users", "create", "ann", "--scope", "posts:read", input=f"{PASSWORD}\n")
    assert (made.exit_code, made.stdout) == (0, "User ann can log in\n")
    browser = Browser(api.http)
    assert (await browser.log_in("ann")).status_code == 201
    await command("users", "password", "ann", input="another horse\n")
    assert (await api.http.get("/v1/session")).status_code == 401
    assert (await browser.log_in("ann")).status_code == 401
    assert (await browser.log_in("ann", "another horse")).status_code == 201
    await command("users", "disable", "ann")
    assert (await api.http.get("/v1/session")).status_code == 401
    users = json.loads((await command("users", "list", "--json")).stdout)["items"]
    assert [(u["name"], u["scopes"], u["has_password"]) for u in users] == [
        ("admin", [], False),
        ("ann", ["posts:read"], True),
    ]
    assert users[1]["disabled_at"] is not None
    assert "ann" in (await command("users", "list")).stdout
    await command("users", "enable", "ann")
    assert (await browser.log_in("ann", "another horse")).status_code == 201
    noted = [entry for entry in await actions_noted(api) if entry[0] == OPERATOR.actor]
    assert [action for _, action, _ in noted] == [
        *("users.create", "users.password", "users.disable", "users.enable")
    ]
    assert {subject for _, _, subject in noted} == {"user:ann"}
    rows = await api.sql("SELECT audit_log::text || users::text AS all FROM audit_log, users")
    assert all("horse" not in row.all for row in rows)


@pytest.mark.parametrize(
    ("arguments", "typed", "kind"),
    [
        (("create", "a:b", "--scope", "admin"), PASSWORD, InvalidInput),
        (("create", "ann", "--scope", "everything"), PASSWORD, InvalidInput),
        (("create", "ann", "--scope", "admin"), "short", InvalidInput),
        (("create", "admin", "--scope", "admin"), PASSWORD, Conflict),
        (("password", "ann"), PASSWORD, NotFound),
        (("disable", "ann"), "", NotFound),
    ],
)
async def test_what_is_no_user(
    api: Installation, command: Command, arguments: tuple[str, ...], typed: str, kind: type
) -> None:
    error = await refusal(command, "users", *arguments, input=f"{typed}\n")
    assert type(error) is kind
    assert await api.count("users") == 1
    assert await api.count("audit_log") == 0


async def test_secrets_are_encrypted_anew(
    api: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V084: afterwards the old key can go, and publishing goes on."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        body = {"url": f"{receiver.url}/told", "events": ["job.failed"]}
        endpoint = (await api.post("/v1/webhooks", body)).json()["id"]
        await api.post(f"/v1/webhooks/{endpoint}/rotate-secret", {})
        settings = api.runtime.settings
        assert settings.secret_key is not None
        first, old, new = (
            settings.secret_key.get_secret_value(),
            "0123456789abcdef",
            "another-one-of-tests",
        )
        keyring = Keyring([old, first])
        assert await rotate_all(replace(api.runtime, keyring=keyring)) == {
            "accounts": 1,
            "webhooks": 1,
        }
        monkeypatch.setenv("SECRET_KEY", new)
        monkeypatch.setenv("SECRET_KEY_OLD", old)
        rotated = await command("secrets", "rotate", "--json")
        assert rotated.exit_code == 0, rotated.output
        assert json.loads(rotated.stdout) == {"accounts": 1, "webhooks": 1}
        again = await command("secrets", "rotate", "--json")
        assert json.loads(again.stdout) == {"accounts": 0, "webhooks": 0}

        changed = settings.model_copy(update={"secret_key": SecretStr(new)})
        async with open_runtime(changed, "test") as runtime:
            async with runtime.unit_of_work() as uow:
                await accounts.check_keys(uow.session, runtime.keyring)
            later = Installation(runtime, api.http, api.key)
            await api.schedule([account], "Rotated")
            await later.work()
        assert [post["text"] for post in receiver.posts] == ["Rotated"]
    rows = await api.sql("SELECT secret, old_secret FROM webhook_endpoints")
    keyring = Keyring([new])
    place = f"webhook_endpoints/{endpoint}/secret"
    secrets = {keyring.decrypt(token, context=place) for token in rows[0]}
    assert len(secrets) == 2
    noted = [entry for entry in await actions_noted(api) if entry[1] == "secrets.rotate"]
    assert noted == [(OPERATOR.actor, "secrets.rotate", "secrets")] * 3


async def test_a_secret_whose_key_is_gone(
    api: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed, and the reason says what to do."""
    await api.connect()
    before = await api.sql("SELECT credentials, session FROM accounts")
    monkeypatch.setenv("SECRET_KEY", "another secret of tests only")
    error = await refusal(command, "secrets", "rotate")
    assert isinstance(error, CannotDecrypt)
    assert "put the earlier SECRET_KEY into SECRET_KEY_OLD" in error.message
    assert await api.sql("SELECT credentials, session FROM accounts") == before
