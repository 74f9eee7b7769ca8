"""What is nobody's business is in no log at INFO, and in no reply."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.exc import ProgrammingError

from service.errors import Conflict
from service.runtime import Runtime
from tests.observability.conftest import Lines
from tests.servers.smtp import SmtpServer
from tests.support import Installation
from tests.webhooks.helpers import context, run_job, told, varied
from tests.webhooks.test_notices import mails_to
from workers.notes import Notes

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


async def test_no_address_is_logged(api: Installation, smtp: SmtpServer, lines: Lines) -> None:
    """T082: a mail goes out to one and is refused to another; the log names neither."""
    settings = mails_to(smtp)
    smtp.refused = {"ops@example.org": "550 nobody called ops@example.org"}
    await run_job(api, told(number=13), **settings)
    await api.work("maintenance", ctx=context(varied(api.runtime, **settings)))
    assert [mail.recipients for mail in smtp.mails] == [("boss@example.org",)]
    assert [line["event"] for line in lines.of(logger="service.providers.mail.telling")] == [
        "a recipient was refused: 550"
    ]
    assert "example.org" not in lines.text


async def test_no_key_is_logged_or_stored(api: Installation, lines: Lines) -> None:
    """T082, V083: neither the caller's key, good or wrong, nor an account's credential."""
    account = {"platform": "feed", "credentials": {"handle": "ada", "token": "of-the-account"}}
    await api.post("/v1/accounts", account)
    await api.connect("webhook", {"url": "http://127.0.0.1:9/hook", "secret": "of-the-account"})
    assert (await api.get("/v1/posts", key="almanac_wrong-wrong-wrong-wrong")).status_code == 401
    for secret in (api.key, "of-the-account", "almanac_wrong"):
        assert secret not in lines.text


async def test_a_problem_reply_has_no_secrets(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V083: whoever's words it quotes."""

    def refuse(_: Runtime) -> None:
        raise Conflict("the server said: access_token=abc is taken")

    monkeypatch.setattr(Runtime, "unit_of_work", refuse)
    answer = await api.get("/v1/posts")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "the server said: access_token=*** is taken",
    )


async def test_an_error_of_the_database_has_no_values(api: Installation) -> None:
    """V083: the statement alone."""
    with pytest.raises(ProgrammingError, match="no_such_table") as caught:
        await api.sql("SELECT :secret FROM no_such_table", secret="of a row")
    assert "of a row" not in str(caught.value)


async def test_lines_kept_with_a_job_have_no_secrets(runtime: Runtime) -> None:
    """V083: nor what it says of its progress."""
    notes = Notes(runtime.database)
    notes.open("a-job", "its claim")
    notes.line("a-job", "sent Authorization: Bearer abc.DEF")
    notes.tell("a-job", 50, "password=abc")
    note = notes._notes["a-job"]
    assert (list(note.lines), note.text) == (["sent Authorization: ***"], "password=***")
