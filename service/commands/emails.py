"""`almanac emails`: mails to single persons, and whom nothing is mailed to."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.access.audit import note
from service.commands.acting import on_runtime
from service.commands.terminal import Json, out, print_json, print_rows
from service.emails import actions, queries
from service.emails.models import Email, MailState, SuppressionReason
from service.emails.schemas import EmailOut, SuppressionIn
from service.errors import InvalidInput, Problem
from service.kit.ids import uuid7
from service.kit.pagination import MAX_LIMIT, Page
from service.operator import OPERATOR
from service.runtime import Runtime

app = typer.Typer()
File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, readable=True)]


@app.command("send")
def send(  # noqa: PLR0913 - one parameter is one option
    to: Annotated[str, typer.Argument(help="The address")],
    *,
    subject: Annotated[str, typer.Option(help="One line")],
    html: File = None,
    text: File = None,
    name: Annotated[str, typer.Option(help="Of the person")] = "",
    key: Annotated[str | None, typer.Option(help="Asked for twice, it is sent once")] = None,
    as_json: Json = False,
) -> None:
    """Send a mail to one person: of a file of HTML, of text, or of both."""
    mail = actions.NewMail(
        kind="cli",
        key=f"cli:{key or uuid7()}",
        to=to,
        subject=subject,
        html=_content(html, "--html"),
        text=_content(text, "--text"),
        name=name,
    )

    async def run(runtime: Runtime) -> str | None:
        async with runtime.unit_of_work() as uow:
            email_id = await actions.send(uow, mail)
            if email_id is not None:
                await note(uow.session, OPERATOR.actor, "emails.send", f"email:{email_id}")
        return str(email_id) if email_id else None

    email_id = on_runtime(run)
    if as_json:
        print_json({"id": email_id, "sent_before": email_id is None})
    else:
        out.print(
            f"Mail {email_id} is queued" if email_id else "This key was used: nothing is sent"
        )


def _content(file: Path | None, option: str) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput([Problem(option, f"{file} is not UTF-8")]) from None


@app.command("list")
def list_emails(
    *,
    state: Annotated[MailState | None, typer.Option(help="Only these")] = None,
    kind: Annotated[str | None, typer.Option(help="Only what is for this")] = None,
    to: Annotated[str | None, typer.Option(help="Only to this address")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT)] = 50,
    as_json: Json = False,
) -> None:
    """List mails, newest first."""

    async def run(runtime: Runtime) -> list[Email]:
        wanted = queries.Wanted(state, kind, to)
        async with runtime.unit_of_work() as uow:
            return (await queries.list_emails(uow.session, OPERATOR, Page(limit), wanted)).items

    found = on_runtime(run)
    if as_json:
        print_json([EmailOut.model_validate(each).model_dump(mode="json") for each in found])
        return
    titles = ("id", "kind", "to", "subject", "state", "#attempts", "says")
    print_rows(titles, map(_cells, found))


def _cells(mail: Email) -> tuple[Any, ...]:
    who, words = mail.address, mail.subject
    return mail.id, mail.kind, who, words, mail.state, mail.attempts, mail.error


@app.command("suppress")
def suppress(
    address: str,
    *,
    reason: Annotated[SuppressionReason, typer.Option()] = SuppressionReason.MANUAL,
    detail: Annotated[str, typer.Option(help="In words")] = "",
    as_json: Json = False,
) -> None:
    """Mail nothing to an address any more."""
    body = SuppressionIn(address=address, reason=reason, detail=detail)

    async def run(runtime: Runtime) -> bool:
        async with runtime.unit_of_work() as uow:
            found, is_new = await actions.suppress_for(uow.session, OPERATOR, body)
            if is_new:
                subject = f"suppression:{found.id}"
                await note(uow.session, OPERATOR.actor, "emails.suppress", subject, reason=reason)
            return is_new

    is_new = on_runtime(run)
    if as_json:
        print_json({"address": address, "new": is_new})
    else:
        words = "Nothing is mailed there" if is_new else "Nothing was mailed there before"
        out.print(f"{words} any more" if is_new else words)


@app.command("unsuppress")
def unsuppress(address: str, *, as_json: Json = False) -> None:
    """Let mails go to an address again; its bounces are forgotten."""

    async def run(runtime: Runtime) -> None:
        async with runtime.unit_of_work() as uow:
            await actions.unsuppress(uow.session, address)
            await note(uow.session, OPERATOR.actor, "emails.unsuppress", "suppression")

    on_runtime(run)
    if as_json:
        print_json({"address": address})
    else:
        out.print("Mails go there again")
