"""Run one system's worker, or its sender, as a process.

    python -m benchmarks.peers.host arq work --url redis://… --slots 100
    python -m benchmarks.peers.host arq bulk --url redis://… --job noop --count 10000

A sender prints the seconds that sending took, without its start.
"""

import argparse
import asyncio
import importlib
import os
import random
import time
from pathlib import Path

from benchmarks.peers.board import FOLDER, instants
from benchmarks.peers.jobs import NAMES, Sender

GAPS = (0.005, 0.015)
"""Seconds between two jobs of the paced sender."""
AHEAD_MS = (100, 2000)
"""How far ahead the deferred ones are."""


async def single(sender: Sender, job: str, numbers: range) -> None:
    """Send one after the other."""
    for number in numbers:
        await sender.send(job, number)


async def bulk(sender: Sender, job: str, numbers: range) -> None:
    """Send all at once."""
    await sender.send_many(job, numbers)


async def paced(sender: Sender, job: str, numbers: range) -> None:
    """Send at random gaps and note the instant of each call."""
    sent = instants(Path(os.environ[FOLDER]))
    for number in numbers:
        await asyncio.sleep(random.uniform(*GAPS))
        sent[number] = time.time_ns()
        await sender.send(job, number)


async def deferred(sender: Sender, job: str, numbers: range) -> None:
    """Send jobs for random instants ahead and note these; whole milliseconds, as most take."""
    due = instants(Path(os.environ[FOLDER]))
    for number in numbers:
        due_ms = time.time_ns() // 1_000_000 + random.randint(*AHEAD_MS)
        due[number] = due_ms * 1_000_000
        await sender.send_at(job, number, due_ms)


MODES = {"single": single, "bulk": bulk, "paced": paced, "deferred": deferred}


async def _send(arguments: argparse.Namespace) -> float:
    module = importlib.import_module(f"benchmarks.peers.{arguments.system}")
    numbers = range(arguments.first, arguments.first + arguments.count)
    async with module.sender(arguments.url) as sender:
        await sender.send(arguments.job, arguments.first)  # connects
        began = time.perf_counter()
        await MODES[arguments.action](sender, arguments.job, numbers[1:])
        return time.perf_counter() - began


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    parser.add_argument("action", choices=["work", *MODES])
    parser.add_argument("--url", required=True)
    parser.add_argument("--slots", type=int, default=100, help="jobs at the same time")
    parser.add_argument("--job", choices=NAMES, default="noop")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first job")
    arguments = parser.parse_args()
    if arguments.action == "work":
        module = importlib.import_module(f"benchmarks.peers.{arguments.system}")
        module.work(arguments.url, arguments.slots)
    else:
        print(asyncio.run(_send(arguments)), flush=True)
        # ardiq 1.2 crashes now and then while Python ends, when all has been sent.
        os._exit(0)


if __name__ == "__main__":
    main()
