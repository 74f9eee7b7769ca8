"""Mails in a browser: what became of them, again, and whom nothing is mailed to."""

from typing import Any

import pytest

from tests.dashboard.newsletters import without_elements
from tests.dashboard.person import Person
from tests.dashboard.planning import HOSTILE

pytestmark = pytest.mark.asyncio
SUPPRESSED = "/emails/suppressed"


async def mailed(admin: Person, state: str = "queued", **values: Any) -> str:
    """Ask for a mail, and let it be in a state; return its id."""
    body = {"to": "ada@example.com", "subject": "Hello", "html": "<p>Hi</p>", **values}
    reply = await admin.api.post("/v1/emails", body)
    assert reply.status_code == 201, reply.text
    email_id = str(reply.json()["id"])
    await admin.api.sql(
        "UPDATE emails SET state = :state WHERE id = cast(:id AS uuid)", state=state, id=email_id
    )
    return email_id


async def test_the_list(admin: Person) -> None:
    """What needs somebody is told first; how mail goes out is said in words."""
    page = await admin.get("/emails")
    assert "No mail goes out: neither SMTP_URL nor SENDGRID_API_KEY is set." in page.text
    assert "No mail was asked for yet." in page.text
    await mailed(admin, "sent", subject=HOSTILE[0])
    await mailed(admin, "refused", to="bob@example.com")
    await mailed(admin, "unconfirmed")
    page = await admin.get("/emails")
    assert page.links()["1 may or may not have gone out"] == "/emails?state=unconfirmed"
    assert page.links()["1 refused for good"] == "/emails?state=refused"
    assert len(page.rows()) == 3
    assert without_elements(page)
    assert [row[1] for row in (await admin.get("/emails?state=refused")).rows()] == [
        "bob@example.com"
    ]
    assert len((await admin.get("/emails?address=ada@example.com")).rows()) == 2
    page = await admin.get("/emails?limit=2&address=ada@example.com&state=nonsense")
    assert len(page.rows()) == 2
    page = await admin.get("/emails?limit=2")
    assert page.links()["Older"].startswith("/emails?cursor=")


async def test_one_mail_in_its_frame(admin: Person) -> None:
    """Hostile HTML is shown in a frame that runs nothing."""
    html = "<p>Hi</p><script>parent.alert(1)</script>"
    path = f"/emails/{await mailed(admin, html=html, subject=HOSTILE[1])}"
    page = await admin.get(path)
    assert page.title.startswith(HOSTILE[1])
    assert without_elements(page)
    (frame,) = page.main.select("iframe")
    assert (frame["sandbox"], frame["src"]) == ([], f"{path}/mail")
    reply = await admin.http.get(f"{path}/mail")
    policy = reply.headers["content-security-policy"]
    assert policy.split("; ")[:2] == ["sandbox", "default-src 'none'"]
    assert "script-src" not in policy
    assert reply.headers["cache-control"] == "no-store"


async def test_retry(admin: Person) -> None:
    """One that may have arrived goes again only knowingly; one that was sent never."""
    sent = f"/emails/{await mailed(admin, 'sent')}"
    assert "Send it again…" not in (await admin.get(sent)).links()
    path = f"/emails/{await mailed(admin, 'unconfirmed')}"
    page = await admin.get(path)
    token = page.fields("/logout")["csrf"]
    await admin.post(f"{path}/retry", csrf=token)
    assert (await admin.api.get(f"/v1{path}")).json()["state"] == "unconfirmed"
    page = await admin.get(page.links()["Send it again…"])
    assert "it may arrive twice" in page.text
    page = await admin.send(page, f"{path}/retry")
    assert page.note.startswith("It is sent again: nobody knows whether it went out before")
    assert (await admin.api.get(f"/v1{path}")).json()["state"] == "queued"
    reply = await admin.post(f"{sent}/retry", csrf=token, confirmed="yes")
    assert "The mail is sent" in reply.text


async def test_suppressed(admin: Person) -> None:
    """Added with a reason, removed once confirmed."""
    page = await admin.get(SUPPRESSED)
    assert "No address is suppressed." in page.text
    page = await admin.send(page, SUPPRESSED, 422, address="nobody", detail=HOSTILE[0])
    assert page.fields(SUPPRESSED)["detail"] == HOSTILE[0]
    assert await admin.api.count("suppressions") == 0
    page = await admin.send(page, SUPPRESSED, address="Ada@Example.com")
    assert page.note == "Nothing is mailed there any more"
    (row,) = page.rows()
    assert row[0] == "ada@example.com"
    assert HOSTILE[0] in row[1]
    assert without_elements(page)
    path = str(page.main.select_one("tbody a.button")["href"])  # type: ignore[index] # it is there
    page = await admin.send(await admin.get(path), path, confirmed=None)
    assert page.note == "Read what follows first"
    assert await admin.api.count("suppressions") == 1
    page = await admin.send(page, path)
    assert page.note == "Mails go there again; its bounces are forgotten"
    assert await admin.api.count("suppressions") == 0


async def test_others_and_readers(admin: Person) -> None:
    """V081: somebody else's mail is not there; suppressed addresses are for admins."""
    path = f"/emails/{await mailed(admin, 'refused')}"
    await admin.log_in("bob", "content:read")
    await admin.get(path, 404)
    await admin.get(f"{path}/mail", 404)
    await admin.get(SUPPRESSED, 403)
    page = await admin.get("/emails")
    assert page.rows() == []
    assert "refused for good" not in page.text
    await admin.api.sql("UPDATE emails SET owner_id = (SELECT id FROM users WHERE name = 'bob')")
    assert "Send it again…" not in (await admin.get(path)).links()
    reply = await admin.post(f"{path}/retry", confirmed="yes", csrf=page.fields("/logout")["csrf"])
    assert reply.status_code == 403
