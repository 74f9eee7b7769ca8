"""A newsletter with many readers, the processes that send it, and what the mail server has."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.fleet import Fleet
from tests.chaos.newsletters.mail_server import patience
from tests.chaos.waiting import until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.embedded.helpers import eventually
from tests.newsletters.publisher import Publisher
from tests.servers.smtp import SmtpServer
from tests.support import Installation

ROOT = Path(__file__).parents[3]
CONNECTIONS = 8
"""Of one worker to the mail server: mails that its death may leave open."""
UNDER_WAY = {"waiting", "claimed", "sending"}


@dataclass
class World:
    """An installation whose mails leave by worker processes."""

    publisher: Publisher
    fleet: Fleet
    folder: Path
    kills: int = 0

    @property
    def taken(self) -> list[tuple[float, str]]:
        """When the mail server took which address's mail, in its own words."""
        record = self.folder / "mails"
        lines = record.read_text().splitlines() if record.exists() else []
        return [(float(moment), address) for moment, address in map(str.split, lines)]

    @property
    def received(self) -> Counter[str]:
        """How many mails each address got."""
        return Counter(address for _, address in self.taken)

    async def flowing(self, more: int = 20, seconds: float = 180) -> None:
        """Wait until the mail server has so many mails more."""
        begun = len(self.taken)

        async def enough() -> bool:
            return len(self.taken) >= begun + more

        await until(enough, seconds, lambda: self.fleet.last_words)

    async def kill_again_and_again(self, issue: Any, every: float, most: int) -> None:
        """Kill the worker after each so many seconds of sending, and put another in its place."""
        for _ in range(most):
            sent = len(self.taken)
            while len(self.taken) == sent:
                states = set(await self.publisher.states(issue))
                if states and not UNDER_WAY & states:
                    return
                await asyncio.sleep(0.1)
            await asyncio.sleep(every)
            self.fleet.start()
            self.fleet.kill()
            self.kills += 1

    async def sent(self, issue: Any, seconds: float) -> float:
        """Wait until an issue is sent; what is to be tried later is due at once."""
        begun = time.monotonic()

        async def over() -> bool:
            await self._hurry(issue)
            found = await self.publisher.api.sql(
                "SELECT state FROM issues WHERE id = :id", id=UUID(issue["id"])
            )
            return bool(found[0].state == "sent")

        await until(over, seconds, lambda: self.fleet.last_words)
        return time.monotonic() - begun

    async def _hurry(self, issue: Any) -> None:
        """Let no mail wait for its next attempt, once all others are over."""
        if UNDER_WAY & set(await self.publisher.states(issue)):
            return
        waited = await self.publisher.api.sql(
            "UPDATE issue_deliveries SET next_run_at = now()"
            " WHERE issue_id = :id AND state = 'retrying' AND next_run_at > now() RETURNING id",
            id=UUID(issue["id"]),
        )
        if waited:
            await self.publisher.act(issue, "pause")
            await self.publisher.act(issue, "resume")

    async def rests(self, issue: Any) -> bool:
        """Tell whether no mail of an issue is in a worker's hands."""
        return not {"claimed", "sending"} & set(await self.publisher.states(issue))

    async def deliveries(self, issue: Any) -> dict[str, str]:
        """Return the state of each address's mail."""
        rows = await self.publisher.api.sql(
            "SELECT address, state FROM issue_deliveries WHERE issue_id = :id",
            id=UUID(issue["id"]),
        )
        return {row.address: row.state for row in rows}

    async def judge(self, issue: Any, addresses: list[str], *, unconfirmed: int) -> Counter[str]:
        """Compare the rows with the mail server's record; return how many are in which state.

        Args:
            issue: that was sent.
            addresses: of its readers.
            unconfirmed: the most mails of which nobody may know whether they arrived.
        """
        received, states = self.received, await self.deliveries(issue)
        assert set(states) == set(addresses)
        doubled = {address for address, times in received.items() if times > 1}
        for_good = {address for address in addresses if patience(address) is None}
        open_ = {address for address, state in states.items() if state == "unconfirmed"}
        lost = {
            address
            for address, state in states.items()
            if (state, received[address]) != ("sent", 1) and address not in for_good | open_
        }
        assert (doubled, lost) == (set(), set())
        assert {states[address] for address in for_good} == {"refused"}
        assert not for_good & set(received)
        assert len(open_) <= unconfirmed
        suppressed = await self.publisher.api.sql("SELECT address FROM suppressions")
        assert {row.address for row in suppressed} == for_good
        found = await self.publisher.read(issue)
        assert found["counts"]["unconfirmed"] == len(open_)
        return Counter(states.values())


@asynccontextmanager
async def world(
    api: Installation, folder: Path, *, seconds: float, **names: str
) -> AsyncIterator[World]:
    """Run the mail server, a worker that nobody kills for periodic jobs, and one for mails.

    Args:
        api: the installation.
        folder: of logs and records.
        seconds: that the mail server takes over a mail.
        names: further environment variables of the workers.
    """
    program = [sys.executable, "-m", "tests.chaos.newsletters.mail_server"]
    with ExitStack() as stack:
        environment = environment_of(api.runtime.settings)
        command = [*program, str(folder), str(seconds)]
        stack.enter_context(running(command, environment | {"PYTHONPATH": str(ROOT)}, folder))
        port = folder / "port"
        assert eventually(port.exists), "the mail server did not start"
        environment |= {
            "SMTP_URL": f"smtp://127.0.0.1:{port.read_text()}",
            "ALMANAC_MAIL_FROM": "Almanac <news@example.org>",
            **names,
        }
        stack.enter_context(running([*ALMANAC, "worker", "maintenance"], environment, folder))
        fleet = Fleet("emails", environment, folder)
        stack.callback(fleet.stop)
        fleet.start()
        yield World(Publisher(api, SmtpServer()), fleet, folder)
