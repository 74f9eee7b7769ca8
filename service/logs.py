"""The logs of a process, by the settings."""

from service.config import Settings
from service.kit.logging import configure_logging
from service.kit.redaction import protect


def start_logging(settings: Settings) -> None:
    """Send this process's logs where the settings say, without the settings' secrets.

    Raises:
        ConfigurationError: the log file cannot be written.
    """
    protect(*settings.secrets)
    configure_logging(settings.log_level, json=settings.json_logs, file=settings.log_file)
