"""The page of alerts: what is open and what to do about it, what was, what is watched."""

from datetime import timedelta

import pytest

from service.config import AlertSetting
from service.dashboard.operations import remedies
from service.kit.clock import now
from service.monitoring.alert_rules import DATABASE_AWAY, KINDS
from service.monitoring.models import Alert
from tests.dashboard.person import Person

pytestmark = pytest.mark.asyncio
HOSTILE = "<script>alert(1)</script>{{7*7}}"


async def alert(
    person: Person, rule: str, subject: str = "", text: str = "text", *, over: bool = False
) -> None:
    """Write an alert that opened an hour ago."""
    moment = now()
    async with person.api.runtime.unit_of_work() as uow:
        uow.session.add(
            Alert(
                rule=rule,
                subject=subject,
                text=text,
                value=1,
                opened_at=moment - timedelta(hours=1),
                last_seen_at=moment,
                resolved_at=moment if over else None,
            )
        )


async def test_what_is_open_comes_first_with_what_to_do(admin: Person) -> None:
    """G072: a job that takes longer than the threshold is an alert that says what to do."""
    text = "A run of video.transcribe took 912 s or more"
    await alert(admin, "slow_job", "video.transcribe", text)
    await alert(admin, "worker_down", "emails", over=True)
    page = await admin.get("/alerts")
    headings = [each.get_text(" ", strip=True) for each in page.main.select("h2, h3")]
    assert headings == ["1 open", "A job takes long: video.transcribe", "Over", "What is watched"]
    card = page.main.select_one(".card")
    assert card is not None
    said = " ".join(card.get_text(" ").split())
    assert text in said
    assert "open since 1 h ago" in said
    assert "Cancel it if it hangs." in said
    assert page.links()["Runs of this job"] == "/jobs?q=name:video.transcribe"
    assert page.rows()[0][0] == "No worker is alive emails"
    assert page.rows()[0][3] == "1 h"


async def test_without_alerts_it_says_what_is_watched(admin: Person) -> None:
    """G072: the rule of long runs, with the threshold of this installation."""
    admin.api.runtime.settings.alerts.update(slow_job=AlertSetting(above=90.0), dead_jobs=None)
    page = await admin.get("/alerts")
    assert "Nothing is the matter" in page.text
    assert "There was none yet." in page.text
    rules = {row[0].split()[-1]: row[1:] for row in page.rows("table.rules")}
    assert set(rules) == {kind.name for kind in (*KINDS, DATABASE_AWAY)}
    assert rules["slow_job"] == ["A run took, or has been taking, more than 1 min 30 s", "at once"]
    assert rules["failures"][0].startswith("More than 10% of the jobs")
    assert rules["worker_down"][1] == "5 min"
    assert rules["dead_jobs"][0] == "off"


async def test_every_rule_has_its_remedy() -> None:
    assert set(remedies.REMEDIES) == {kind.name for kind in (*KINDS, DATABASE_AWAY)}
    assert remedies.path("failures", "a&b #") == "/jobs?q=queue:a%26b%20%23+state:failed"


async def test_an_alert_of_another_version_is_shown_too(admin: Person) -> None:
    await alert(admin, "gone_rule", "thing")
    page = await admin.get("/alerts")
    assert "gone_rule: thing" in page.text


async def test_hostile_subjects_are_text(admin: Person) -> None:
    await alert(admin, "slow_job", HOSTILE, HOSTILE + "x" * 10_000)
    await alert(admin, "slow_job", HOSTILE, HOSTILE, over=True)
    page = await admin.get("/alerts")
    assert page.soup.select("script:not([src])") == []
    assert f"A job takes long: {HOSTILE}" in page.text
    assert all(str(a["href"]).startswith("/") for a in page.main.select("a"))


async def test_more_past_alerts_than_a_page(admin: Person) -> None:
    for number in range(3):
        await alert(admin, "slow_job", f"job{number}", over=True)
    page = await admin.get("/alerts?limit=2")
    assert len(page.rows()) == 2
    page = await admin.get(f"{page.links()['Older']}&limit=2")
    assert [row[0] for row in page.rows()] == ["A job takes long job0"]
    assert [each.get_text() for each in page.main.select("h2")] == ["Over", "What is watched"]


async def test_alerts_are_for_who_may_see_jobs(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    assert "needs the scope 'jobs:read'" in (await stranger.get("/alerts", 403)).text
