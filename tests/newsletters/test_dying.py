"""An issue whose worker dies, pauses, or is not alone: no reader gets it twice."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from service.db.session import Database
from service.newsletters import jobs, sending
from service.runtime import Runtime
from tests.engine.bench import until
from tests.newsletters.publisher import Publisher
from tests.servers.sendgrid import SendGridServer

pytestmark = pytest.mark.asyncio


class Killed(Exception):
    """The process is gone."""


class Dying:
    """A database that a process reaches for so many statements, and then never again.

    Args:
        database: where they go.
        at: the statement with which it dies.
        after: whether that one is still carried out.
    """

    def __init__(self, database: Database, at: int, *, after: bool) -> None:
        self._database, self._left, self._after = database, at, after

    async def execute(self, statement: Any, values: Any = None) -> Any:
        """Run one statement, or die."""
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise Killed
        rows = await self._database.execute(statement, values)
        if self._left <= 0:
            raise Killed
        return rows

    def session(self) -> Any:
        """Begin a transaction, or die."""
        if self._left <= 0:
            raise Killed
        return self._database.session()


async def sent(runtime: Runtime, issue: Any, job_id: str = "job") -> Any:
    """Run the job of an issue once."""
    return await sending.run(runtime, UUID(issue["id"]), job_id, lambda *_: None, last=False)


async def test_killed_anywhere_nobody_gets_it_twice(publisher: Publisher) -> None:
    """T026, T078: killed at any statement, before or after it, each mail goes out at most once,
    and what nobody can know is unconfirmed."""
    newsletter = await publisher.newsletter()
    addresses = await publisher.readers(newsletter, 3)
    ended = 0
    for step in range(1, 13):
        for after in (False, True):
            publisher.smtp.mails.clear()
            issue = await publisher.issue(newsletter)
            issue = await publisher.act(issue, "send")
            dying: Any = Dying(publisher.runtime.database, step, after=after)
            try:
                await sent(replace(publisher.runtime, database=dying), issue)
                ended += 1
            except Killed:
                pass
            assert await sent(publisher.runtime, issue) is None, "the job's next run has it all"
            got, found = publisher.got(), await publisher.read(issue)
            assert set(got.values()) <= {1}, (step, after)
            assert found["state"] == "sent", (step, after, await publisher.states(issue))
            counts = found["counts"]
            assert counts["sent"] + counts["unconfirmed"] == 3
            assert len(got) + counts["unconfirmed"] >= 3, (step, after)
            assert set(got) <= set(addresses)
    assert ended, "the last steps lie behind the end"


async def test_a_lost_workers_claims_end_by_themselves(publisher: Publisher) -> None:
    """Another job takes what a lost one had in its hands after 35 s; what was on its way is left
    alone."""
    issue, addresses = await publisher.sending(20)
    dying: Any = Dying(publisher.runtime.database, 6, after=True)
    with pytest.raises(Killed):
        await sent(replace(publisher.runtime, database=dying), issue, "lost")
    states = await publisher.states(issue)
    assert states["claimed"] + states["sending"] == 20
    assert states["sending"] >= 1
    waits = await sent(publisher.runtime, issue, "another")
    assert waits is not None
    assert await publisher.states(issue) == states
    await publisher.pass_time(36)
    assert await sent(publisher.runtime, issue, "another") is None
    assert set(publisher.got().values()) <= {1}
    found = await publisher.read(issue)
    assert found["counts"]["unconfirmed"] == states["sending"]
    assert found["counts"]["sent"] == states["claimed"]
    assert set(publisher.got()) <= set(addresses)


async def test_a_run_that_is_stopped_ends_its_mails(publisher: Publisher) -> None:
    """A worker that is told to stop lets the mails end that are on their way, and no other."""
    issue, _ = await publisher.sending(40)
    publisher.smtp.latency = 0.02
    task = asyncio.create_task(sent(publisher.runtime, issue))
    await until(lambda: bool(publisher.smtp.mails))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    states = await publisher.states(issue)
    assert states["sent"] == len(publisher.smtp.mails) < 40
    assert set(states) <= {"sent", "claimed", "waiting"}
    publisher.smtp.latency = 0.0
    assert await sent(publisher.runtime, issue) is None
    assert set(publisher.got().values()) == {1}
    assert len(publisher.got()) == 40


async def test_many_workers_share_an_issue(publisher: Publisher) -> None:
    """Jobs that send one issue at the same time send each mail once."""
    issue, addresses = await publisher.sending(100)
    publisher.smtp.latency = 0.001
    await asyncio.gather(*(sent(publisher.runtime, issue, f"job{n}") for n in range(3)))
    while await sent(publisher.runtime, issue, "job0") is not None:
        await publisher.pass_time(36)
    assert publisher.got() == Counter(addresses)
    assert await publisher.states(issue) == {"sent": 100}


async def test_pausing_takes_effect_at_once(publisher: Publisher) -> None:
    """Within a second of the pause nothing goes out; resumed, it goes on where it stopped."""
    issue, addresses = await publisher.sending(60)
    publisher.smtp.latency = 0.02
    task = asyncio.create_task(sent(publisher.runtime, issue))
    await until(lambda: bool(publisher.smtp.mails))
    await publisher.act(issue, "pause")
    out = len(publisher.smtp.mails)
    assert await asyncio.wait_for(task, 2) is None
    assert len(publisher.smtp.mails) <= out + 8
    states = await publisher.states(issue)
    assert states["waiting"] == 60 - len(publisher.smtp.mails) > 0
    assert await sent(publisher.runtime, issue) is None
    assert await publisher.states(issue) == states

    publisher.smtp.latency = 0.0
    await publisher.act(issue, "resume")
    await publisher.run()
    assert publisher.got() == Counter(addresses)


async def test_cancelled_nobody_else_gets_it(publisher: Publisher) -> None:
    """Who waits for a cancelled issue does not get it."""
    issue, _ = await publisher.sending(5)
    publisher.smtp.refused = {f"reader{n}@example.com": "450 later" for n in range(4)}
    await publisher.run()
    await publisher.act(issue, "cancel")
    publisher.smtp.refused = {}
    await publisher.pass_time(3600)
    await publisher.run()
    assert await publisher.states(issue) == {"sent": 1, "cancelled": 4}
    assert len(publisher.smtp.mails) == 1


async def test_who_leaves_meanwhile_gets_nothing(publisher: Publisher) -> None:
    """Suppressions and blocks are looked at when a mail goes, not only when it was planned."""
    issue, _ = await publisher.sending(4)
    publisher.smtp.refused = {f"reader{n}@example.com": "450 later" for n in range(4)}
    await publisher.run()
    body = {"address": "Reader0@EXAMPLE.com", "reason": "manual"}
    await publisher.ok(await publisher.api.post("/v1/emails/suppressions", body), 201)
    people = (await publisher.api.get("/v1/subscribers?search=reader1@")).json()["items"]
    path = f"/v1/subscribers/{people[0]['id']}"
    await publisher.ok(await publisher.api.request("PATCH", path, json={"state": "blocked"}), 200)
    publisher.smtp.refused = {}
    await publisher.pass_time(61)
    await publisher.run()
    assert publisher.got() == {"reader2@example.com": 1, "reader3@example.com": 1}
    assert await publisher.states(issue) == {"sent": 2, "suppressed": 2}
    assert (await publisher.read(issue))["state"] == "sent"


async def test_the_pace_of_all_workers_is_kept(publisher: Publisher) -> None:
    """ALMANAC_MAIL_PER_DAY ends a run, which goes on the next day."""
    publisher.settle(mail_per_day=7, mail_per_second=1000.0)
    issue, _ = await publisher.sending(10)
    later = await sent(publisher.runtime, issue)
    assert later is not None
    assert 0 < later.total_seconds() <= 86_400
    assert await publisher.states(issue) == {"sent": 7, "waiting": 3}
    assert len(publisher.smtp.mails) == 7


async def test_an_issue_whose_job_died_goes_on(publisher: Publisher) -> None:
    """A job that the engine leaves alone, for its worker died three times, has a successor."""
    issue, addresses = await publisher.sending(3)
    await publisher.runtime.queue.flushdb()
    await publisher.api.sql("UPDATE durable_jobs SET state = 'failed'")
    async with publisher.runtime.unit_of_work() as uow:
        uow.enqueue(jobs.sweep())
    await publisher.run()
    assert publisher.got() == Counter(addresses)
    found = await publisher.read(issue)
    assert found["state"] == "sent"
    assert found["job_id"] != issue["job_id"]


async def test_through_sendgrid(publisher: Publisher) -> None:
    """A service that takes many mails at a time gets them in few calls, each reader their own."""
    with SendGridServer() as server:
        publisher.settle(sendgrid_key=SecretStr(server.key), sendgrid_url=server.url, smtp_url=None)
        server.bad = {"reader3@example.com"}
        issue, addresses = await publisher.sending(30)
        await publisher.run()
        assert Counter(mail.to for mail in server.mails) == Counter(addresses[:3] + addresses[4:])
        first = next(mail for mail in server.mails if mail.to == addresses[0])
        assert first.subject == "Spring, Reader reader0"
        assert "Hello Reader reader0" in first.html
        assert "%" not in first.headers["List-Unsubscribe"]
        assert await publisher.states(issue) == {"sent": 29, "refused": 1}
        rows = await publisher.api.sql("SELECT id FROM issue_deliveries WHERE state = 'sent'")
        assert {mail.arguments["delivery_id"] for mail in server.mails} == {
            str(row.id) for row in rows
        }
