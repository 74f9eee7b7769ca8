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


async def failing(client: QueueClient) -> dict[str, str]:
    """Send five jobs that fail and three that retry; return the words of the first by id."""
    words = [f"word{number}" for number in range(5)]
    sent = await client.enqueue_many([reporting.explode(word) for word in words])
    await client.enqueue_many([reporting.calm(number) for number in range(3)])
    return {job.job_id: word for job, word in zip(sent, words, strict=True) if job}


@pytest.mark.parametrize("way", ["create_worker", "serve"])
async def test_errors_are_reported_once(
    client: QueueClient, valkey_socket_url: str, way: str
) -> None:
    """Each failed job and tick is one event; a Retry, a success and a log line are none."""
    words = await failing(client)
    events = await report(valkey_socket_url, way)
    assert await client.zcard(queue_key(reporting.QUEUE)) == 0
    found = []
    for event in events:
        (error,) = event["exception"]["values"]
        assert error["mechanism"] == {"type": "arq", "handled": False}
        assert error["stacktrace"]["frames"][-1]["function"] in ("explode_now", "tick")
        found.append((error["type"], error["value"]))
    assert sorted(found) == [
        ("LookupError", "no tick"),
        *(("ValueError", word) for word in sorted(words.values())),
    ]


@pytest.mark.parametrize("way", ["create_worker", "serve"])
async def test_an_event_names_its_job(
    client: QueueClient, valkey_socket_url: str, way: str
) -> None:
    """Also while others run: name, id and arguments are those of the job that failed."""
    words = await failing(client)
    found = {}
    for event in await report(valkey_socket_url, way):
        shown = event["extra"]["arq-job"]
        value = event["exception"]["values"][0]["value"]
        found[event["tags"]["arq_task_id"]] = (value, shown["task"], shown["kwargs"])
    (tick,) = (job_id for job_id in found if job_id.startswith("cron:tick:"))
    assert found.pop(tick) == ("no tick", "cron:tick", {})
    assert found == {
        job_id: (word, "compat.explode", {"word": word}) for job_id, word in words.items()
    }
