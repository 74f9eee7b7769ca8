"""The jobs that every system runs: nothing, 10 ms of waiting, and noting when it started.

Three forms, because a system passes a context first, or passes none, or runs plain functions.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, Protocol

from benchmarks.peers.board import FOLDER, Tally

NAP = 0.01
"""Seconds."""
NAMES = ("noop", "nap", "stamp")

_tally = Tally(Path(os.environ.get(FOLDER, ".")))


class Sender(Protocol):
    """Sends jobs of NAMES, each with its number; one instance per process."""

    async def send(self, job: str, number: int) -> None:
        """Send one job, as a request handler would."""

    async def send_many(self, job: str, numbers: range) -> None:
        """Send many jobs in the fastest way that the system documents."""

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        """Send a job that may start at this instant, in ms since 1970."""


class Cannot(Exception):
    """The system has no such feature."""


async def noop(number: int) -> None:
    _tally.done()


async def nap(number: int) -> None:
    await asyncio.sleep(NAP)
    _tally.done()


async def stamp(number: int) -> None:
    _tally.started(number)


class WithContext:
    """The jobs of a system that passes a context first."""

    @staticmethod
    async def noop(_context: Any, number: int) -> None:
        _tally.done()

    @staticmethod
    async def nap(_context: Any, number: int) -> None:
        await asyncio.sleep(NAP)
        _tally.done()

    @staticmethod
    async def stamp(_context: Any, number: int) -> None:
        _tally.started(number)


class Plain:
    """The jobs of a system that runs functions in threads or processes."""

    @staticmethod
    def noop(number: int) -> None:
        _tally.done()

    @staticmethod
    def nap(number: int) -> None:
        time.sleep(NAP)
        _tally.done()

    @staticmethod
    def stamp(number: int) -> None:
        _tally.started(number)
