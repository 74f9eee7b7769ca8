"""Which provider an installation sends its mails through."""

from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from service.errors import ConfigurationError
from service.kit.outbound import Outbound
from service.providers.mail.contract import Provider
from service.providers.mail.folder import Folder
from service.providers.mail.sendgrid import SendGrid
from service.providers.mail.smtp import Smtp


class MailSettings(Protocol):
    """What of the settings says it."""

    @property
    def sendgrid_key(self) -> SecretStr | None:
        """SENDGRID_API_KEY."""

    @property
    def sendgrid_url(self) -> str:
        """Where SendGrid's API is."""

    @property
    def smtp_url(self) -> SecretStr | None:
        """SMTP_URL."""

    @property
    def production(self) -> bool:
        """Whether mails must go out."""

    @property
    def home(self) -> Path:
        """Where mails are written to instead, in `mail`."""


def open_mail(settings: MailSettings, outbound: Outbound) -> Provider:
    """Return the provider of an installation; nothing is connected yet.

    SendGrid where there is a key, or else the server of SMTP_URL, or else, in development only, a
    folder of files.

    Raises:
        ConfigurationError: production has neither, or SMTP_URL is none.
    """
    if settings.sendgrid_key is not None:
        key = settings.sendgrid_key.get_secret_value()
        return SendGrid(key, outbound, settings.sendgrid_url)
    if settings.smtp_url is not None:
        return Smtp(settings.smtp_url.get_secret_value())
    if settings.production:
        raise ConfigurationError("No mail can be sent: set SMTP_URL or SENDGRID_API_KEY")
    return Folder(settings.home / "mail")
