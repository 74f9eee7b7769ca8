"""How often a worker asks for nothing: seldom in a crowd, often enough to know what is due."""

import asyncio

import pytest

from workers.engine.wakes import Wakes

pytestmark = pytest.mark.asyncio


class Idler:
    """A worker whose claims find nothing, or what they are told to find."""

    def __init__(self) -> None:
        self.claims = 0
        self.found = False
        self.wakes = Wakes(self.claim)

    def claim(self) -> None:
        """Ask at once, and be answered at once."""
        self.claims += 1
        self.wakes.ate()
        self.wakes.digest(found=self.found, more=False)

    async def hear(self, writes: int) -> None:
        """Let others write to the queue, every millisecond or so."""
        for _ in range(writes):
            self.wakes.hear()
            await asyncio.sleep(0.001)


async def test_a_crowd_asks_ever_more_seldom() -> None:
    """G049: 300 writes for others cost about as many claims as gaps of 1.5^n ms fit in, not 300."""
    idler = Idler()
    await idler.hear(300)
    assert 5 <= idler.claims <= 18
    idler.wakes.close()


async def test_the_last_write_is_not_forgotten() -> None:
    """Many jobs are sent for later: their times are known soon after, whatever was futile."""
    idler = Idler()
    await idler.hear(100)
    before = idler.claims
    idler.wakes.hear()
    async with asyncio.timeout(5):
        while idler.claims == before:  # noqa: ASYNC110 - counted, no event
            await asyncio.sleep(0.001)
    idler.wakes.close()


async def test_who_finds_jobs_asks_at_once() -> None:
    """Each write is answered while claims find something."""
    idler = Idler()
    idler.found = True
    await idler.hear(50)
    assert idler.claims == 50


async def test_a_lone_write_is_answered_at_once() -> None:
    idler = Idler()
    idler.wakes.hear()
    assert idler.claims == 1
    await asyncio.sleep(0.05)
    idler.wakes.hear()
    assert idler.claims == 2
