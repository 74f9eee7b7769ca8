"""An issue to ten thousand readers by SMTP, whose worker is killed every 5 s.

In the suite a tenth of that; `make chaos` runs it in full.
"""

import os
from pathlib import Path

import pytest

from tests.chaos.newsletters.world import CONNECTIONS, world
from tests.chaos.waiting import tell
from tests.support import Installation

FULL = os.environ.get("ALMANAC_CHAOS") == "full"
READERS = 10_000 if FULL else 1_000
KILL_EVERY = 5.0 if FULL else 1.5
KILLS = 20 if FULL else 2
SLOW = 0.03
"""Seconds that the mail server takes over a mail."""
WITHIN = 900.0 if FULL else 200.0


@pytest.mark.asyncio
@pytest.mark.timeout(1200)
async def test_nobody_gets_it_twice_and_nobody_is_left_out(
    api: Installation, tmp_path: Path
) -> None:
    """T026, T078: by the mail server's own record each reader got it once; the mails that a kill
    left open are at most one for each connection, and say so."""
    async with world(api, tmp_path, seconds=SLOW) as found:
        issue, addresses = await found.publisher.sending(READERS)
        await found.kill_again_and_again(issue, KILL_EVERY, KILLS)
        await found.sent(issue, WITHIN)
        assert found.kills >= 1
        states = await found.judge(issue, addresses, unconfirmed=CONNECTIONS * found.kills)
        moments = [moment for moment, _ in found.taken]
        open_ = {
            a for a, state in (await found.deliveries(issue)).items() if state == "unconfirmed"
        }
        tell(
            f"{READERS} readers, {found.kills} kills: {dict(states)}, of the unconfirmed"
            f" {len(open_ & set(found.received))} arrived; {max(moments) - min(moments):.0f} s"
        )
