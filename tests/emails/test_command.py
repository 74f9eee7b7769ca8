"""`almanac emails`: send, list, suppress."""

from pathlib import Path

import pytest

from service.errors import InvalidInput, NotFound
from tests.access.helpers import actions_noted
from tests.commands.terminal import Terminal
from tests.emails.conftest import Post
from tests.servers.smtp import SmtpServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio


@pytest.fixture
def terminal(api: Installation, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on the test's servers."""
    return Terminal(api, monkeypatch)


async def test_a_mail_from_a_terminal(
    post: Post, terminal: Terminal, smtp: SmtpServer, tmp_path: Path
) -> None:
    """A file of HTML, once per key; the list tells what became of it."""
    page = tmp_path / "page.html"
    page.write_text("<h1>Grüße</h1>", "utf-8")
    call = (
        "emails",
        "send",
        "ada@example.com",
        "--subject",
        "Hi",
        "--html",
        str(page),
        "--key",
        "k",
    )
    sent = await terminal.json(*call)
    assert sent["sent_before"] is False
    assert await terminal.json(*call) == {"id": None, "sent_before": True}
    await post.run()
    (mail,) = smtp.mails
    assert mail.message["Subject"] == "Hi"
    (listed,) = await terminal.json("emails", "list", "--state", "sent")
    assert (listed["id"], listed["to"], listed["kind"]) == (sent["id"], "ada@example.com", "cli")
    assert "ada@example.com" in await terminal.shows("emails", "list")
    assert await terminal.json("emails", "list", "--to", "bob@example.com") == []
    assert [action for _, action, _ in await actions_noted(post.api)] == ["emails.send"]


async def test_what_is_refused(post: Post, terminal: Terminal, tmp_path: Path) -> None:
    """Nothing is written."""
    assert isinstance(
        await terminal.refused("emails", "send", "nobody", "--subject", "S"), InvalidInput
    )
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Grüße".encode("latin-1"))
    call = ("emails", "send", "a@example.com", "--subject", "S", "--text", str(latin))
    assert "is not UTF-8" in str(await terminal.refused(*call))
    assert await post.api.count("emails") == 0


async def test_whom_nothing_is_mailed_to(post: Post, terminal: Terminal) -> None:
    call = ("emails", "suppress", "Ada@example.com")
    assert await terminal.json(*call) == {"address": "Ada@example.com", "new": True}
    assert await terminal.json(*call) == {"address": "Ada@example.com", "new": False}
    assert "go there again" in await terminal.shows("emails", "unsuppress", "ada@example.com")
    assert isinstance(await terminal.refused("emails", "unsuppress", "ada@example.com"), NotFound)
    noted = [action for _, action, _ in await actions_noted(post.api)]
    assert noted == ["emails.suppress", "emails.unsuppress"]
