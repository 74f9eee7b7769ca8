"""Telling single users: by the job, by other domains, by mails; once each, wherever a run dies."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from service.access.caller import Caller
from service.errors import InvalidInput, NotFound
from service.kit.ids import uuid7
from service.notifications import jobs, notifying, own_actions, own_queries
from service.notifications.actions import News, notify, notify_everybody
from service.notifications.models import MailWish
from service.queue import JobState, inspect
from service.runtime import Runtime
from tests.support import Installation
from workers.notifications import WorkerSettings

from .helpers import mails, tell, told, user

pytestmark = pytest.mark.asyncio
FOOTER = (
    "--\nYou get this mail because your settings there ask for it: "
    "http://almanac.test/notifications/mine#settings\n"
)


async def test_a_job_tells_a_user(api: Installation) -> None:
    """T004, T029, K021: a worker of the queue runs it; the row is visible to that user alone."""
    ann, bob = await user(api, "ann"), await user(api, "bob")
    message = "The export is ready\nIt has 12 rows."
    handle = await api.runtime.queue.enqueue(jobs.notify(user_id=ann, message=message))
    assert handle is not None
    await api.work("notifications")
    view = await inspect(api.runtime.queue, handle.job_id)
    assert view is not None
    assert (view.state, view.tries) == (JobState.SUCCEEDED, 1)
    (row,) = await api.sql("SELECT id, user_id, title, text, mail_state FROM user_notifications")
    assert tuple(row) == (view.result, ann, "The export is ready", message, "none")
    assert await told(api, bob) == []
    assert await mails(api) == []


async def test_a_job_that_runs_again_tells_nothing_twice(api: Installation) -> None:
    """T029: killed after its commit, and run again."""
    ann = await user(api, "ann")
    runs = [await notifying.notify(api.runtime, ann, "Hello", "job") for _ in range(2)]
    assert (isinstance(runs[0], UUID), runs[1]) == (True, None)
    both = await asyncio.gather(
        *(notifying.notify(api.runtime, ann, "Again", "other") for _ in range(4))
    )
    assert [found is None for found in both].count(False) == 1
    assert await told(api, ann) == [("Hello", "none"), ("Again", "none")]


@pytest.mark.parametrize("disabled", [False, True])
async def test_an_unknown_user_fails_the_job_at_once(api: Installation, disabled: bool) -> None:
    """T029: without a retry, and with nothing written."""
    ann = await user(api, "ann")
    await api.sql("UPDATE users SET disabled_at = now() WHERE id = :id", id=ann)
    whom = ann if disabled else uuid7()
    handle = await api.runtime.queue.enqueue(jobs.notify(user_id=whom, message="Hello"))
    assert handle is not None
    await api.work("notifications")
    view = await inspect(api.runtime.queue, handle.job_id)
    assert view is not None
    assert (view.state, view.tries) == (JobState.FAILED, 1)
    assert view.error is not None
    assert view.error.message == f"There is no user {whom}, or it is disabled"
    assert await api.count("user_notifications") == 0


@pytest.mark.parametrize("message", ["", " \n", "\u200f", "x" * 10_001])
async def test_a_message_that_says_nothing_or_too_much_fails_at_once(
    api: Installation, message: str
) -> None:
    """T029."""
    ann = await user(api, "ann")
    handle = await api.runtime.queue.enqueue(jobs.notify(user_id=ann, message=message))
    assert handle is not None
    await api.work("notifications")
    view = await inspect(api.runtime.queue, handle.job_id)
    assert view is not None
    assert (view.state, view.tries) == (JobState.FAILED, 1)
    assert await api.count("user_notifications") == 0


async def test_one_mail_at_once(api: Installation) -> None:
    """Who wants mails immediately gets one for each, whose links lead here; never a second."""
    ann = await user(api, "ann", "ann@example.com", "immediately")
    news = News("Roster is locked", "Monday's.", "/rosters", key="roster:1")
    ids = await tell(api, ann, news, news)
    assert ids[1] is None
    assert await told(api, ann) == [("Roster is locked", "wanted")]
    await api.work("notifications")
    assert await told(api, ann) == [("Roster is locked", "mailed")]
    assert ids[0] is not None
    for _ in range(2):
        await notifying.mail_user(api.runtime, ids[0])
    (mail,) = await mails(api)
    assert (mail.address, mail.subject, mail.kind) == (
        *("ann@example.com", "Roster is locked", "notification"),
    )
    assert mail.text == (f"Roster is locked\nMonday's.\nhttp://almanac.test/rosters\n\n{FOOTER}")
    assert len(await api.queued("emails")) == 1


async def test_what_was_read_is_not_mailed(api: Installation) -> None:
    """Neither at once nor in the digest."""
    ann = await user(api, "ann", "ann@example.com", "immediately")
    bob = await user(api, "bob", "bob@example.com", "digest")
    await tell(api, ann, News("Read at once"))
    await tell(api, bob, News("Read at once"))
    await api.sql("UPDATE user_notifications SET read_at = now()")
    await api.work("notifications")
    assert await notifying.digest_users(api.runtime) == 0
    assert await mails(api) == []
    assert [*await told(api, ann), *await told(api, bob)] == [("Read at once", "none")] * 2


async def test_one_mail_a_day(api: Installation) -> None:
    """All that is unread in one mail, to each who wants it; a second run has nothing to say."""
    ann = await user(api, "ann", "ann@example.com", "digest")
    bob = await user(api, "bob", "bob@example.com", "digest")
    await user(api, "eve", "eve@example.com", "off")
    await tell(api, ann, News("First", "One."), News("Second", link="https://example.com/"))
    await tell(api, bob, *[News(f"n{number}") for number in range(53)])
    assert await api.queued("notifications") == []
    assert await notifying.digest_users(api.runtime) == 2
    to_ann, to_bob = await mails(api)
    assert (to_ann.address, to_ann.subject) == ("ann@example.com", "2 notifications")
    assert to_ann.text == f"First\nOne.\n\nSecond\nhttps://example.com/\n\n{FOOTER}"
    assert (to_bob.address, to_bob.subject) == ("bob@example.com", "53 notifications")
    assert "n49\n\nAnd 3 more: http://almanac.test/notifications/mine\n" in to_bob.text
    assert await notifying.digest_users(api.runtime) == 0
    await tell(api, ann, News("Third"))
    assert await notifying.digest_users(api.runtime) == 1
    assert (await mails(api))[2].subject == "Third"


async def test_digests_at_the_same_time_write_each_mail_once(api: Installation) -> None:
    """A second worker waits, and finds the mails written."""
    for number in range(5):
        name = f"user{number}"
        ann = await user(api, name, f"{name}@example.com", "digest")
        await tell(api, ann, News("Hello"))
    runs = await asyncio.gather(*(notifying.digest_users(api.runtime) for _ in range(3)))
    assert sum(runs) == 5
    assert sorted(mail.address for mail in await mails(api)) == [
        f"user{number}@example.com" for number in range(5)
    ]


async def test_a_digest_that_dies_goes_on_where_it_was(api: Installation) -> None:
    """Killed between two users, and between a mail and its commit: each gets one mail."""
    for name in ("ann", "bob", "eve"):
        await tell(api, await user(api, name, f"{name}@example.com", "digest"), News("Hello"))
    engine, written = api.runtime.database._sessions.sync_engine, []

    def dies(*arguments: Any) -> None:
        if arguments[2].startswith("INSERT INTO emails"):
            written.append(arguments[2])
            if len(written) == 2:
                raise ConnectionResetError

    event.listen(engine, "after_cursor_execute", dies)
    try:
        with pytest.raises(ConnectionResetError):
            await notifying.digest_users(api.runtime)
    finally:
        event.remove(engine, "after_cursor_execute", dies)
    assert len(await mails(api)) == 1
    assert await notifying.digest_users(api.runtime) == 2
    addresses = [mail.address for mail in await mails(api)]
    assert sorted(addresses) == ["ann@example.com", "bob@example.com", "eve@example.com"]


async def test_who_wants_no_more_mails_gets_none(api: Installation) -> None:
    """Also what waited for one, and what was asked for before."""
    ann = await user(api, "ann", "ann@example.com", "immediately")
    await tell(api, ann, News("Waits for its mail"))
    async with api.runtime.unit_of_work() as uow:
        await own_queries.put_settings(uow.session, ann, None, MailWish.OFF)
    assert await told(api, ann) == [("Waits for its mail", "none")]
    await api.sql("UPDATE user_notifications SET mail_state = 'wanted'")  # told meanwhile
    await api.work("notifications")
    assert await told(api, ann) == [("Waits for its mail", "none")]
    assert await mails(api) == []


async def test_everybody_is_told(api: Installation) -> None:
    """One statement for all: but not those who are disabled, nor who was told before."""
    ann = await user(api, "ann", "ann@example.com", "immediately")
    bob, eve = await user(api, "bob", "bob@example.com", "digest"), await user(api, "eve")
    await api.sql("UPDATE users SET disabled_at = now() WHERE id = :id", id=eve)
    await tell(api, bob, News("Sunday", key="sunday"))
    async with api.runtime.unit_of_work() as uow:
        assert await notify_everybody(uow, News("Sunday", key="sunday")) == 2, "ann and admin"
    assert await told(api, ann) == [("Sunday", "wanted")]
    assert await told(api, bob) == [("Sunday", "digest")]
    assert await told(api, eve) == []


async def test_what_cannot_be_told_is_refused_whole(runtime: Runtime) -> None:
    """Every problem at once; nothing is written."""
    news = News("two\nlines", "x" * 10_001, "javascript:alert(1)", key="")
    async with runtime.unit_of_work() as uow:
        with pytest.raises(InvalidInput) as refused:
            await notify_everybody(uow, news)
        with pytest.raises(NotFound):
            await notify(uow, uuid7(), News("Hello"))
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["title", "text", "link", "key"]


async def test_reading_is_noted_once(api: Installation) -> None:
    """The first time counts."""
    ann = await user(api, "ann")
    await tell(api, ann, News("Hello"))
    (row,) = await api.sql("SELECT id FROM user_notifications")
    caller = Caller(ann, "ann", frozenset())
    times = []
    for _ in range(2):
        async with api.runtime.unit_of_work() as uow:
            times.append((await own_actions.mark_read(uow.session, caller, row.id)).read_at)
    assert times[0] is not None
    assert times[0] == times[1]


async def test_ten_at_a_time() -> None:
    """K077: as the workers of calls."""
    assert vars(WorkerSettings)["max_jobs"] == 10
