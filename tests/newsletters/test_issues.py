"""An issue from a draft to the readers: approved, scheduled, looked at, refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.access.helpers import actions_noted
from tests.newsletters.publisher import Publisher, link, part
from tests.support import problems

pytestmark = pytest.mark.asyncio


async def test_an_approval_is_needed_where_it_is_wanted(publisher: Publisher) -> None:
    """Where a newsletter wants approval nothing goes without it, and a change takes it back."""
    newsletter = await publisher.newsletter(needs_approval=True)
    await publisher.readers(newsletter, 1)
    issue = await publisher.issue(newsletter)
    path = f"/v1/issues/{issue['id']}"
    for verb, body in (("send", None), ("schedule", {"at": "2035-01-01T09:00"})):
        refused = await publisher.api.post(f"{path}/{verb}", body)
        assert refused.status_code == 409
    approved = await publisher.act(issue, "approve")
    assert (approved["state"], approved["approved_by"]) == ("approved", "admin")
    changed = await publisher.api.request("PATCH", path, json={"subject": "Other"})
    assert (changed.json()["state"], changed.json()["approved_at"]) == ("draft", None)
    assert await publisher.run() == []
    await publisher.act(issue, "approve")
    await publisher.act(issue, "send")
    await publisher.run()
    assert len(publisher.smtp.mails) == 1
    noted = [action for _, action, _ in await actions_noted(publisher.api)]
    assert noted[-2:] == ["issues.approve", "issues.send"]


async def test_a_scheduled_issue_goes_at_its_time(publisher: Publisher) -> None:
    """A wall-clock time is the newsletter's zone's; one that is moved goes once, later."""
    newsletter = await publisher.newsletter(zone="Asia/Riyadh")
    await publisher.readers(newsletter, 1)
    issue = await publisher.issue(newsletter)
    soon = datetime.now(UTC) + timedelta(minutes=10)
    local = (soon + timedelta(hours=3)).replace(tzinfo=None, microsecond=0)
    found = await publisher.act(issue, "schedule", {"at": local.isoformat()})
    assert found["state"] == "scheduled"
    assert datetime.fromisoformat(found["scheduled_at"]) == soon.replace(microsecond=0)
    later = (soon + timedelta(minutes=10)).isoformat()
    await publisher.act(issue, "schedule", {"at": later})
    await publisher.pass_time(11 * 60)
    await publisher.run()
    assert publisher.smtp.mails == []
    await publisher.api.sql("UPDATE issues SET scheduled_at = now()")
    await publisher.pass_time(10 * 60)
    await publisher.run()
    assert len(publisher.smtp.mails) == 1
    assert (await publisher.read(issue))["state"] == "sent"


async def test_what_is_missing_is_told_at_once(publisher: Publisher) -> None:
    """All problems in one answer, and nothing is written."""
    newsletter = await publisher.newsletter()
    issue = await publisher.issue(newsletter, subject="", content=" ")
    path = f"/v1/issues/{issue['id']}"
    refused = await publisher.api.post(f"{path}/schedule", {"at": "2001-01-01T00:00Z"})
    assert set(problems(refused)) == {"at", "subject", "content"}
    refused = await publisher.api.post(f"{path}/send", None)
    assert set(problems(refused)) == {"subject", "content"}
    assert (await publisher.read(issue))["state"] == "draft"
    assert (await publisher.api.get(f"{path}/preview")).json()["problems"] == [
        "subject is missing",
        "content is missing: the mail would be empty",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"subject": "Hi\r\nBcc: everybody@example.com"}, "subject"),
        ({"subject": "Hi\nX"}, "subject"),
        ({"subject": "Hi\0"}, "subject"),
        ({"preheader": "a\r\nb"}, "preheader"),
        ({"subject": "x" * 201}, "subject"),
    ],
)
async def test_no_header_is_smuggled_in(publisher: Publisher, body: Any, field: str) -> None:
    """T083: line breaks in a subject are refused before anything is written."""
    newsletter = await publisher.newsletter()
    refused = await publisher.api.post(f"/v1/newsletters/{newsletter['id']}/issues", body)
    assert refused.status_code == 422
    assert any(name.endswith(field) for name in problems(refused))
    assert await publisher.api.count("issues") == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sender_name": "A\r\nBcc: b@example.com"}, "sender_name"),
        ({"name": "A\nB"}, "name"),
        ({"sender_address": "a@b@c"}, "sender_address"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"sources": ["file:///etc/passwd"]}, "sources.0"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"send_time": "25:00"}, "send_time"),
    ],
)
async def test_a_bad_newsletter_is_refused(publisher: Publisher, body: Any, field: str) -> None:
    """Each problem names its field; no row is left."""
    given = {"name": "Garden", "topic": "Gardens", **body}
    refused = await publisher.api.post("/v1/newsletters", given)
    assert refused.status_code == 422
    assert any(name.endswith(field) for name in problems(refused)), refused.text
    assert await publisher.api.count("newsletters") == 0


async def test_a_preview_is_what_is_mailed(publisher: Publisher) -> None:
    """The preview has no live links, and a test mail says that it is one."""
    newsletter = await publisher.newsletter(
        count_opens=True, count_clicks=True, postal_address="1 Garden Lane"
    )
    issue = await publisher.issue(newsletter, content="Hi %name%, <script>x</script>*there*")
    shown = (await publisher.api.get(f"/v1/issues/{issue['id']}/preview")).json()
    assert shown["subject"] == "Spring, Ada"
    assert "Hi Ada" in shown["html"]
    assert "1 Garden Lane" in shown["text"]
    assert "<script" not in shown["html"]
    assert "/n/o/" not in shown["html"]

    path = f"/v1/issues/{issue['id']}/test"
    refused = await publisher.api.post(path, {"address": "nobody"})
    assert set(problems(refused)) == {"address"}
    reply = await publisher.api.post(path, {"address": "me@example.org"})
    assert reply.status_code == 202
    await publisher.run()
    mail = publisher.mail_to("me@example.org")
    assert mail["Subject"] == "[Test] Spring, Ada"
    assert "Hi Ada" in part(mail, "html")
    found = await publisher.read(issue)
    assert (found["state"], found["counts"]["recipients"]) == ("draft", 0)


async def test_only_readers_with_a_tag_get_it(publisher: Publisher) -> None:
    """A newsletter's tags choose among its readers."""
    newsletter = await publisher.newsletter(tags=["paying", "press"])
    await publisher.readers(newsletter, 2, tags=["press"])
    await publisher.api.sql("UPDATE subscribers SET tags = '{}' WHERE key LIKE 'reader1@%'")
    issue = await publisher.issue(newsletter)
    await publisher.act(issue, "send")
    await publisher.run()
    assert publisher.got() == {"reader0@example.com": 1}


async def test_what_is_sent_does_not_change(publisher: Publisher) -> None:
    """An issue on its way, or over, can be neither changed nor sent again."""
    issue, _ = await publisher.sending(1)
    await publisher.run()
    path = f"/v1/issues/{issue['id']}"
    assert (await publisher.api.request("PATCH", path, json={"subject": "x"})).status_code == 409
    for verb in ("approve", "send", "pause", "resume", "cancel"):
        assert (await publisher.api.post(f"{path}/{verb}", None)).status_code == 409, verb
    assert len(publisher.smtp.mails) == 1


async def test_the_report_counts_clicks_and_opens(publisher: Publisher) -> None:
    """Opens and clicks are counted once per reader and link, and in total."""
    issue, _ = await publisher.sending(2, count_opens=True, count_clicks=True)
    await publisher.run()
    for address, times in (("reader0@example.com", 2), ("reader1@example.com", 1)):
        html = part(publisher.mail_to(address), "html")
        click, pixel = link(html, "/n/c/"), link(html, "/n/o/")
        for _ in range(times):
            reply = await publisher.api.http.get(click)
            assert reply.status_code == 302
            assert reply.headers["location"] == "https://example.com/a?b=1&c=2"
            opened = await publisher.api.http.get(pixel)
            assert opened.headers["content-type"] == "image/gif"
    report = (await publisher.api.get(f"/v1/issues/{issue['id']}/report")).json()
    counts = report["counts"]
    assert (counts["readers"], counts["opens"]) == (2, 3)
    assert (counts["clickers"], counts["clicks"]) == (2, 3)
    assert report["links"] == [
        {"number": 1, "url": "https://example.com/a?b=1&c=2", "clickers": 2, "clicks": 3}
    ]
    assert report["per_second"] > 0
