"""People are told of an alert once when it begins and once when it is over."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr, ValidationError

from service.config import AlertSetting, Settings
from service.db.session import Database
from service.errors import ConfigurationError
from service.kit.tasks import end
from service.monitoring import alerting
from service.monitoring.alert_conditions import Conditions
from service.monitoring.alert_rules import KINDS, Seen
from service.monitoring.alerting import Watch
from service.monitoring.measuring import measure
from service.queue import pause, purge, resume
from tests.monitoring import helpers
from tests.monitoring.helpers import alerts, measured, postgres_socket, until, varied
from tests.servers.receiver import Receiver
from tests.servers.smtp import SmtpServer
from tests.servers.tcp_proxy import TcpProxy
from tests.support import Installation
from workers import alerts as loops

pytestmark = pytest.mark.asyncio
KEY = "almanac:publishing"


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with Receiver() as server:
        yield server


def mails_to(smtp: SmtpServer) -> dict[str, Any]:
    """Return the settings under which incidents are mailed."""
    return {"smtp_url": SecretStr(smtp.url), "alert_mail": ("ops@example.org",)}


async def test_one_notice_mail_and_webhook_for_each_turn(
    api: Installation, smtp: SmtpServer, receiver: Receiver
) -> None:
    """V048, V103: however often it is seen."""
    reply = await api.post("/v1/webhooks", {"url": receiver.hook, "events": ["alert.opened"]})
    receiver.secret = reply.json()["secret"]
    runtime = varied(api.runtime, **mails_to(smtp))
    watcher = Watch(helpers.alerting(runtime, queue_length=5))
    await api.runtime.queue.enqueue_many([measured() for _ in range(6)])
    for _ in range(3):
        await watcher.look()
    assert list(await alerts(api)) == [("queue_length", "publishing")]
    await api.work("maintenance", ctx=helpers.context(runtime))
    await purge(api.runtime.queue, KEY)
    for _ in range(2):
        await watcher.look()
    assert await alerts(api) == {}
    assert list(await alerts(api, "?open=false")) == [("queue_length", "publishing")]
    await api.work("maintenance", ctx=helpers.context(runtime))
    await api.work("webhooks", ctx=helpers.context(runtime))
    assert [mail.message["Subject"] for mail in smtp.mails] == [
        "[Almanac] A queue is long: publishing",
        "[Almanac] Resolved: A queue is long: publishing",
    ]
    assert "6 jobs wait in publishing" in smtp.mails[0].message.get_content()
    assert "This is over since" in smtp.mails[1].message.get_content()
    (event,) = [received.body for received in receiver.received]
    assert event["type"] == "alert.opened", "the other is not subscribed to"
    assert (event["data"]["rule"], event["data"]["subject"]) == ("queue_length", "publishing")
    notices = (await api.get("/v1/notifications")).json()["items"]
    assert [(notice["kind"], notice["count"]) for notice in notices] == [
        ("alert.resolved", 1),
        ("alert.opened", 1),
    ]
    assert notices[1]["resolved_at"] is not None


async def test_what_comes_back_soon_is_the_same_incident(api: Installation) -> None:
    """It is over only when it was gone for a while."""
    runtime = helpers.alerting(api.runtime, resolve_after=60, queue_length=0)
    watcher = Watch(runtime)
    for _ in range(3):
        await api.runtime.queue.enqueue(measured())
        await watcher.look()
        await purge(api.runtime.queue, KEY)
        await watcher.look()
    assert list(await alerts(api, "")) == [("queue_length", "publishing")]
    assert await api.count("notices") == 1
    await api.sql("UPDATE alerts SET last_seen_at = now() - interval '2 minutes'")
    await watcher.look()
    assert await alerts(api) == {}
    assert await api.count("notices") == 2


async def test_another_process_goes_on_with_what_is_open(api: Installation) -> None:
    """A restart tells nobody again, and resolves what is over, or what nobody wants any more."""
    await api.runtime.queue.enqueue(measured())
    for _ in range(2):
        await Watch(helpers.alerting(api.runtime, queue_length=0)).look()
    assert (await api.count("alerts"), await api.count("notices")) == (1, 1)
    await Watch(helpers.alerting(api.runtime)).look()
    assert await alerts(api) == {}


async def test_a_condition_must_hold_for_a_while(api: Installation) -> None:
    (kind,) = [kind for kind in KINDS if kind.name == "queue_length"]
    conditions = Conditions([replace(kind, above=0)])
    await api.runtime.queue.enqueue(measured())
    long = Seen(await measure(api.runtime))
    await purge(api.runtime.queue, KEY)
    short = Seen(await measure(api.runtime))
    assert kind.seconds == 60
    moments = [(0, long), (59, long), (60, short), (61, long), (120, long), (121, long)]
    found = [list(conditions.look(seen, moment).due) for moment, seen in moments]
    assert found == [[], [], [], [], [], [("queue_length", "publishing")]]


async def test_a_paused_queue_is_nobodys_fault(api: Installation) -> None:
    runtime = helpers.alerting(api.runtime, worker_down=0, oldest_job=0, queue_length=0)
    watcher = Watch(runtime)
    await pause(api.runtime.queue, KEY)
    await api.runtime.queue.enqueue(measured())
    await asyncio.sleep(0.01)
    await watcher.look()
    opened = await alerts(api)
    assert {rule for rule, subject in opened if subject == "publishing"} == {"queue_length"}
    assert opened["queue_length", "publishing"]["text"] == (
        "1 jobs wait in publishing, which is paused"
    )
    await resume(api.runtime.queue, KEY)


async def test_who_may_read(api: Installation) -> None:
    assert (await api.http.get("/v1/alerts")).status_code == 401
    assert (await api.get("/v1/alerts", key=await api.new_key("posts:read"))).status_code == 403
    assert (await api.get("/v1/alerts?open=perhaps")).status_code == 422
    assert (await api.get("/v1/alerts?cursor=nonsense")).status_code == 422


async def test_pages(api: Installation) -> None:
    await api.sql(
        "INSERT INTO alerts (id, rule, subject, text, value, opened_at, last_seen_at)"
        " SELECT gen_random_uuid(), 'health', n::text, '', 1, now(), now()"
        " FROM generate_series(1, 5) AS n"
    )
    first = (await api.get("/v1/alerts?limit=3")).json()
    rest = (await api.get(f"/v1/alerts?limit=3&cursor={first['next_cursor']}")).json()
    subjects = [alert["subject"] for alert in (*first["items"], *rest["items"])]
    assert (sorted(subjects), rest["next_cursor"]) == (list("12345"), None)


@pytest.mark.parametrize(
    "text", ['{"queue_length": {"above": -1}}', '{"queue_length": {"over": 1}}', '{"a": 1}']
)
async def test_settings_that_say_nothing_are_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_ALERTS", text)
    with pytest.raises(ValidationError):
        Settings(_env_file=None)


async def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"queue_length": {"above": 5, "for": 7}, "dead_jobs": null}'
    monkeypatch.setenv("ALMANAC_ALERTS", text)
    kinds = alerting.wanted(Settings(_env_file=None))
    assert (kinds["queue_length"].above, kinds["queue_length"].seconds) == (5, 7)
    assert "dead_jobs" not in kinds
    assert kinds["slow_job"].above == 600
    monkeypatch.setenv("ALMANAC_ALERTS", '{"long_queue": null}')
    with pytest.raises(ConfigurationError, match=r"there is no alert 'long_queue'; known: .*dead"):
        alerting.wanted(Settings(_env_file=None))


async def test_postgresql_away(
    api: Installation, smtp: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """No row can tell of it: the process mails by itself, once, and again when it is back."""
    url = api.runtime.settings.database_url
    assert url is not None
    with TcpProxy(postgres_socket(url.get_secret_value())) as proxy:
        name = url.get_secret_value().partition("?")[0].rpartition("/")[2]
        there = f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}/{name}"
        database = Database(there, name="almanac.test")
        away = AlertSetting(above=0.2)
        settings = {**mails_to(smtp), "alerts": {"database_away": away}}
        runtime = replace(varied(api.runtime, **settings), database=database)
        tasks = [asyncio.create_task(loops.watch_database(runtime, 0.05)) for _ in range(2)]
        await asyncio.sleep(0.5)
        assert smtp.mails == []
        proxy.refuse()
        await until(lambda: _mailed(smtp, 1))
        await asyncio.sleep(0.5)
        assert len(smtp.mails) == 1, "two processes see it, one mails"
        proxy.heal()
        await until(lambda: _mailed(smtp, 2))
        await end(*tasks)
        await database.close()
    subjects = [mail.message["Subject"] for mail in smtp.mails]
    assert subjects == [
        "[Almanac] PostgreSQL does not answer",
        "[Almanac] Resolved: PostgreSQL does not answer",
    ]
    assert "PostgreSQL does not answer since" in caplog.text


async def _mailed(smtp: SmtpServer, number: int) -> bool:
    return len(smtp.mails) >= number
