"""The code of this installation: it can be imported, and every declared job has its other half."""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from service.config import Settings
from service.kit.clock import now
from service.kit.crontab import crontab, find_zone
from service.queue import JobType, declared, queue_key
from service.runtime import load
from service.verifying.check import Wrong

PACKAGES = ("service", "workers", "schedules")
EXTRAS = ("opentelemetry",)
"""What need not be installed; who asks for it in the settings is told when it is missing."""
_ELSEWHERE = ("migrations", "__main__")
"""In the names of modules that only their own programs import."""


async def imports(packages: Sequence[str] = PACKAGES) -> str:
    """Import every module of these packages; raise Wrong for the first that cannot be."""
    names = [name for package in packages for name in _modules(package)]
    for name in names:
        try:
            load(f"{name}.__name__")
        except ImportError as error:
            if (error.name or "").partition(".")[0] in EXTRAS:
                continue
            raise Wrong(
                f"{name}: {error}: reinstall with make setup, or pip install -e ."
            ) from error
    return f"{len(names)} modules"


def _modules(package: str) -> Iterator[str]:
    folder = Path(load(f"{package}.__file__")).parent
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        if not set(_ELSEWHERE) & set(parts):
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


async def jobs() -> str:
    """Compare every declared job with its coroutine, and with what its worker runs.

    Raises:
        Wrong: with all that do not fit.
    """
    if problems := [f"{job.name}: {problem}" for job in own_jobs() for problem in _problems(job)]:
        raise Wrong("; ".join(problems))
    queues = {job.queue for job in own_jobs()}
    return f"{len(own_jobs())} declared jobs in {len(queues)} queues, each with its coroutine"


def own_jobs() -> list[JobType[..., Any]]:
    """Return our jobs by name; another program in this process may have declared some itself."""
    ours = (job for job in declared().values() if job.coroutine.startswith("workers."))
    return sorted(ours, key=lambda job: job.name)


def _problems(job: JobType[..., Any]) -> Iterator[str]:
    try:
        coroutine = load(job.coroutine)
        settings = load(f"workers.{job.queue}.WorkerSettings")
    except (ImportError, AttributeError) as error:
        yield str(error)
        return
    parameters = list(inspect.signature(coroutine).parameters)[1:]
    if not inspect.iscoroutinefunction(coroutine):
        yield f"{job.coroutine} is no coroutine"
    elif parameters != list(job.parameters):
        yield f"{job.coroutine} takes {parameters}, declared are {list(job.parameters)}"
    if settings.queue_name != queue_key(job.queue):
        yield f"workers.{job.queue} serves {settings.queue_name}"
    if job.name not in {function.name for function in settings.functions}:
        yield f"WorkerSettings of workers/{job.queue}.py does not run it"


async def rules(settings: Settings) -> str:
    """Return when each periodic rule of the code runs next; raise for a bad line or zone."""
    lines = []
    for rule in load("workers.periodic.adjusted")(load("workers.periodic.RULES"), settings):
        zone = rule.zone or settings.timezone
        coming = crontab(rule.line, zone).after(now()).astimezone(find_zone(zone))
        lines.append(f"{rule.name} {coming:%Y-%m-%d %H:%M} {zone}")
    return "next " + ", ".join(lines)
