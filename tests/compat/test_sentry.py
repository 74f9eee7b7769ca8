"""Sentry's own integration for arq sees the errors of our jobs."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.queue import QueueClient, queue_key
from tests.compat import reporting

pytest.importorskip("sentry_sdk", reason="needs sentry-sdk")
pytestmark = pytest.mark.asyncio


async def report(url: str, way: str) -> list[dict[str, Any]]:
    """Run a worker with Sentry and return its events."""
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.compat.reporting", way],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"COMPAT_SOCKET": url.removeprefix("unix://")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    events: list[dict[str, Any]] = json.loads(process.stdout)
    return events


@pytest.mark.parametrize("way", ["create_worker", "serve"])
async def test_errors_are_reported_once(
    client: QueueClient, valkey_socket_url: str, way: str
) -> None:
    """Each failed job is one event with its name, id and arguments; others are none."""
    words = [f"word{number}" for number in range(5)]
    sent = await client.enqueue_many([reporting.explode(word) for word in words])
    ids = {job.job_id: word for job, word in zip(sent, words, strict=True) if job}
    await client.enqueue_many([reporting.calm(number) for number in range(3)])
    events = await report(valkey_socket_url, way)
    assert await client.zcard(queue_key(reporting.QUEUE)) == 0
    found = {}
    for event in events:
        (error,) = event["exception"]["values"]
        assert error["mechanism"] == {"type": "arq", "handled": False}
        found[event["tags"]["arq_task_id"]] = (
            error["type"],
            error["value"],
            event["extra"]["arq-job"]["task"],
            event["extra"]["arq-job"]["args"],
        )
    assert len(events) == len(found) == 6
    (tick,) = (key for key in found if key.startswith("cron:tick:"))
    assert found.pop(tick)[:3] == ("LookupError", "no tick", "cron:tick")
    assert found == {
        job_id: ("ValueError", word, "compat.explode", [word]) for job_id, word in ids.items()
    }
    for job_id in ids:
        await client.delete(f"arq:result:{job_id}")
    await client.delete(f"{queue_key(reporting.QUEUE)}:dead")
