"""What is in force: the settings as read, and what they come to for jobs."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import SecretStr

from service.config import Settings
from service.job_modules import MODULES
from service.queue import JobType
from service.queue.codec import MAX_PAYLOAD_BYTES


def effective(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings by the names that people set, and the configuration of jobs.

    Secrets are masked, also those inside of URLs.
    """
    jobs = sorted(
        (found for module in MODULES for found in vars(module).values() if _is_job(found)),
        key=lambda job: job.name,
    )
    return {
        "settings": {
            str(field.validation_alias or f"ALMANAC_{name}".upper()): _shown(
                getattr(settings, name)
            )
            for name, field in Settings.model_fields.items()
        },
        "jobs": {
            "payload format": "JSON; pickle is never read",
            "largest payload": MAX_PAYLOAD_BYTES,
            "timezone": settings.timezone,
            "seconds a result is kept": {job.name: job.keep_result for job in jobs},
            "seconds a run may take": {job.name: job.timeout for job in jobs},
            "tries": {job.name: job.retry.tries for job in jobs},
        },
    }


def _is_job(value: object) -> TypeGuard[JobType[..., Any]]:
    return isinstance(value, JobType)


def _shown(value: object) -> object:
    if isinstance(value, SecretStr):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _shown(part) for key, part in value.items()}
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)
