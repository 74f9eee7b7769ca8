"""`almanac conf --bundle`: what support needs to know, in one file, without a secret."""

import asyncio
import importlib.metadata
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from service.commands.acting import on_runtime
from service.commands.refusals import in_one_line
from service.commands.schedules import every_schedule
from service.commands.status import find_status
from service.commands.terminal import out
from service.config import Settings
from service.effective import effective
from service.kit.pagination import Page
from service.kit.redaction import protect, redact, redact_fields
from service.monitoring import history, queue_views
from service.monitoring.history_queries import Search
from service.operator import OPERATOR
from service.queue import presence
from service.runtime import Runtime
from service.verifying.checks import checks

FAILURES = 200
LOG_TAIL = 1_000_000
"""Bytes of the end of the log."""
WEEK = timedelta(days=7)


def write_bundle(target: Path) -> None:
    """Write the file; a part that cannot be had says why."""
    settings = Settings()
    protect(*settings.secrets)
    parts: dict[str, Callable[[], Any]] = {
        "conf.json": lambda: effective(settings),
        "versions.json": _versions,
        "verify.json": lambda: asyncio.run(_verified(settings)),
        "status.json": lambda: on_runtime(lambda runtime: find_status(runtime, WEEK)),
        "queues.json": lambda: on_runtime(_queues),
        "workers.json": lambda: on_runtime(_workers),
        "schedules.json": lambda: on_runtime(_schedules),
        "failures.json": lambda: on_runtime(_failures),
        "log.txt": lambda: _log(settings.log_file),
    }
    folder = target.name.removesuffix(".gz").removesuffix(".tar")
    with tarfile.open(target, "w:gz") as archive:
        target.chmod(0o600)
        for name, gather in parts.items():
            _add(archive, f"{folder}/{name}", _text(gather).encode())
    out.print(f"Wrote {target}: {', '.join(parts)}; secrets are masked", soft_wrap=True)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(content))


def _text(gather: Callable[[], Any]) -> str:
    """Return what was gathered as text without secrets, or why there is nothing."""
    try:
        found = gather()
    except Exception as error:  # noqa: BLE001 - a bundle is for when something is wrong
        found = {"error": in_one_line(error) or f"{type(error).__name__}: {error}"}
    if isinstance(found, str):
        return redact(found)
    return json.dumps(redact_fields(found), default=str, indent=1) + "\n"


def _versions() -> dict[str, Any]:
    packages = importlib.metadata.distributions()
    return {
        "python": sys.version,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted((found.name, found.version) for found in packages)),
    }


async def _verified(settings: Settings) -> dict[str, Any]:
    return {c.name: {"ok": c.ok, "detail": c.detail} async for c in checks(settings)}


async def _queues(runtime: Runtime) -> dict[str, Any]:
    return {"items": [asdict(view) for view in await queue_views.queues(runtime)]}


async def _workers(runtime: Runtime) -> dict[str, Any]:
    return {"items": msgspec.to_builtins(await presence.workers(runtime.queue))}


async def _schedules(runtime: Runtime) -> dict[str, Any]:
    found = (await every_schedule(runtime)).model_dump(mode="json")
    for item in found["items"]:
        del item["arguments"]
    return found


async def _failures(runtime: Runtime) -> dict[str, Any]:
    """Return the last failed runs, without their arguments."""
    wanted = Search(state="failed")
    async with runtime.unit_of_work() as uow:
        found = await history.search(uow.session, OPERATOR, wanted, Page(FAILURES))
    return {"items": [run.model_dump(mode="json", exclude={"arguments"}) for run in found.items]}


def _log(file: Path | None) -> str:
    if file is None:
        return "ALMANAC_LOG_FILE is unset: the log went to standard error\n"
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - LOG_TAIL))
        return log.read().decode(errors="replace")
