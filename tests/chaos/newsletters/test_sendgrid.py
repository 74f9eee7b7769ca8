"""Issues by SendGrid, of whose calls a fifth fails while the worker is killed.

In the suite 20 issues to 200 readers; `make chaos` sends 30 to 1,000.
"""

import os
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.chaos.newsletters.world import World, world
from tests.chaos.waiting import tell, until
from tests.servers.sendgrid import Faulty, SendGridServer
from tests.support import Installation

FULL = os.environ.get("ALMANAC_CHAOS") == "full"
READERS = 1_000 if FULL else 200
ISSUES = 30 if FULL else 20
KILLS = 5 if FULL else 1
WITHIN = 300.0
SHARE = 0.2
FAULTS = (
    Faulty(429, {"X-RateLimit-Reset": "0"}),
    Faulty(500),
    Faulty(503),
    Faulty(),
    Faulty(taken=True),
)
"""Too many calls, errors, a lost call, a lost answer."""
EVENTS = 500


@pytest.mark.asyncio
@pytest.mark.timeout(1200)
async def test_events_tell_what_lost_answers_left_open(
    api: Installation, application: FastAPI, tmp_path: Path
) -> None:
    """T026, T078, T079: nobody gets it twice; after the events whoever is unconfirmed has no mail,
    and sending those again completes the issue."""
    chance = random.Random(11)
    with SendGridServer() as server:
        server.trouble = lambda: chance.choice(FAULTS) if chance.random() < SHARE else None
        names = {"SENDGRID_API_KEY": server.key, "ALMANAC_SENDGRID_URL": server.url}
        async with world(api, tmp_path, seconds=0, **names) as found:
            newsletter = await found.publisher.newsletter()
            addresses = await found.publisher.readers(newsletter, READERS)
            issues = []
            for number in range(ISSUES):
                issue = await found.publisher.issue(newsletter)
                issues.append(await found.publisher.act(issue, "send"))
                if number < KILLS:
                    await until(partial(called, server, len(server.calls) + 1), 60)
                    found.fleet.start()
                    found.fleet.kill()
                    found.kills += 1
            for issue in issues:
                await found.sent(issue, WITHIN)
            tell(f"{ISSUES} x {READERS} readers, {len(server.calls)} calls, {found.kills} kills")
            await judge(found, application, server, issues, addresses)


async def called(server: SendGridServer, times: int) -> bool:
    """Tell whether SendGrid was called so often."""
    return len(server.calls) >= times


async def judge(
    found: World,
    application: FastAPI,
    server: SendGridServer,
    issues: list[Any],
    addresses: list[str],
) -> None:
    """Compare the rows with what SendGrid has, before and after its events."""
    server.trouble = lambda: None
    open_, never = 0, 0
    everybody = Counter(dict.fromkeys(addresses, 1))
    for issue in issues:
        before = await found.deliveries(issue)
        open_ += sum(state == "unconfirmed" for state in before.values())
        assert set(before.values()) <= {"sent", "unconfirmed"}
        got = await received(found, server, issue)
        assert set(got.values()) <= {1}
        assert {address for address, state in before.items() if state == "sent"} <= set(got)
    await tell_events(found, application, server)
    for issue in issues:
        after, got = await found.deliveries(issue), await received(found, server, issue)
        assert {address for address, state in after.items() if state == "sent"} == set(got)
        missing = sum(state == "unconfirmed" for state in after.values())
        assert missing == len(addresses) - len(got)
        never += missing
        if missing:
            await found.publisher.act(issue, "resend-unconfirmed", {"may_arrive_twice": True})
            await found.sent(issue, WITHIN)
        assert await received(found, server, issue) == everybody
        assert set((await found.deliveries(issue)).values()) == {"sent"}
    assert open_ > never > 0, "answers and calls were lost"
    tell(f"unconfirmed {open_}, of which events tell that {open_ - never} arrived")


async def received(found: World, server: SendGridServer, issue: Any) -> Counter[str]:
    """Return how many mails of an issue each address got."""
    rows = await found.publisher.api.sql(
        "SELECT id FROM issue_deliveries WHERE issue_id = cast(:id AS uuid)", id=issue["id"]
    )
    ids = {str(row.id) for row in rows}
    return Counter(mail.to for mail in server.mails if mail.arguments["delivery_id"] in ids)


async def tell_events(found: World, application: FastAPI, server: SendGridServer) -> None:
    """Post an event of every mail that SendGrid took, as its webhook does."""
    runtime = found.publisher.runtime
    found.publisher.settle(sendgrid_events_key=server.events_key)
    application.state.runtime = found.publisher.runtime
    mails = list(server.mails)
    for first in range(0, len(mails), EVENTS):
        events = [server.event(mail, "delivered") for mail in mails[first : first + EVENTS]]
        body, headers = server.signed(*events)
        path = "/v1/emails/events/sendgrid"
        reply = await found.publisher.api.http.post(path, content=body, headers=headers)
        assert (reply.status_code, reply.json()) == (200, {"recorded": len(events)})
    application.state.runtime = found.publisher.api.runtime = runtime
