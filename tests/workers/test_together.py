"""Writes that share a turn: who comes meanwhile joins the next, and one bad item fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from workers.together import LARGEST_BATCH, Together

pytestmark = pytest.mark.asyncio


class Writes:
    """Doubles numbers; 13 fails, and so does everything written with it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await asyncio.sleep(0)
        if 13 in numbers:
            raise ValueError("bad luck")
        return [2 * number for number in numbers]


async def test_those_that_come_meanwhile_share_the_next_write() -> None:
    writes = Writes()
    together = Together(writes)
    assert await together.ask(1) == 2
    count = LARGEST_BATCH + 50
    assert await asyncio.gather(*(together.ask(n) for n in range(20, 20 + count))) == [
        2 * n for n in range(20, 20 + count)
    ]
    assert [len(batch) for batch in writes.batches] == [1, LARGEST_BATCH, 50]


async def test_one_that_fails_fails_alone() -> None:
    """The others of its batch are written, each by itself; nobody waits for ever."""
    writes = Writes()
    together = Together(writes)
    answers = await asyncio.gather(*map(together.ask, (1, 13, 2)), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 4)
    assert isinstance(answers[1], ValueError)
    assert writes.batches == [[1, 13, 2], [1], [13], [2]]
    assert await together.ask(3) == 6


async def test_one_who_waits_no_more_holds_nobody_up() -> None:
    together = Together(Writes())
    first, second = (asyncio.create_task(together.ask(n)) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 4
