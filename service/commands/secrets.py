"""`almanac secrets`: what is encrypted at rest."""

import typer

from service.access.audit import note
from service.accounts import actions as accounts
from service.commands.acting import on_runtime
from service.commands.terminal import Json, out, print_json
from service.operator import OPERATOR
from service.runtime import Runtime
from service.webhooks import endpoint_actions as webhooks

app = typer.Typer()


@app.callback()
def secrets() -> None:
    """What is encrypted at rest."""


@app.command("rotate")
def rotate(*, as_json: Json = False) -> None:
    """Encrypt every stored secret with the present SECRET_KEY, so that older keys can go."""
    found = on_runtime(rotate_all)
    if as_json:
        print_json(found)
        return
    out.print(
        f"Encrypted anew: {found['accounts']} of accounts, {found['webhooks']} of webhooks. Remove "
        "SECRET_KEY_OLD when every process runs with the present SECRET_KEY.",
        highlight=False,
    )


async def rotate_all(runtime: Runtime) -> dict[str, int]:
    """Encrypt what older keys encrypted with the present one; return how many secrets.

    It goes by small transactions, so publishing waits for none of them, and a second call goes on
    where one was stopped.

    Raises:
        CannotDecrypt: neither SECRET_KEY nor SECRET_KEY_OLD holds the key of a secret.
    """
    counts = {"accounts": 0, "webhooks": 0}
    for kind, reseal in (("accounts", accounts.reseal), ("webhooks", webhooks.reseal)):
        more = True
        while more:
            async with runtime.unit_of_work() as uow:
                more = bool(changed := await reseal(uow.session, runtime.keyring))
            counts[kind] += changed
    async with runtime.unit_of_work() as uow:
        await note(uow.session, OPERATOR.actor, "secrets.rotate", "secrets", **counts)
    return counts
