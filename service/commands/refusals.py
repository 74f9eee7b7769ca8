"""What a failure that we foresaw means for the person: one line, with what to do."""

from collections.abc import Callable

import asyncpg
import pydantic
from pydantic import SecretStr
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.config import Settings, explain
from service.errors import AlmanacError
from service.kit.redaction import redact
from service.runtime import with_servers

_CHECK = "check that the server runs, host and port, and the firewall between"


def in_one_line(error: BaseException) -> str | None:
    """Return what to tell the person, or None for a failure that we did not foresee."""
    if isinstance(error, BaseExceptionGroup):
        return in_one_line(error.exceptions[0])
    if isinstance(error, AlmanacError):
        return error.message
    if isinstance(error, pydantic.ValidationError) and error.title == Settings.__name__:
        return explain(error)
    if isinstance(error, RedisError):
        return _of_redis(error)
    if isinstance(error, TimeoutError) and not error.args:
        return "A server did not answer in time: see almanac status"
    return _of_database((error.orig or error) if isinstance(error, DBAPIError) else error)


def _of_database(error: BaseException) -> str | None:
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"{_database()} refuses us: {error}: check user and password"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{_database()}: {error}: create it, then run almanac migrate"
    if isinstance(error, asyncpg.UndefinedTableError):
        return f"{_database()} has no tables of ours: run almanac migrate"
    if isinstance(error, SQLAlchemyError | asyncpg.PostgresError):
        return f"{_database()}: {error}"
    if isinstance(error, OSError) and error.filename is not None:
        return str(error)
    if isinstance(error, OSError):  # redis-py wraps the system's own errors, asyncpg does not
        return f"{_database()} does not answer: {error}; {_CHECK}"
    return None


def _of_redis(error: RedisError) -> str:
    if isinstance(error, AuthenticationError | AuthorizationError):
        return f"{_redis()} refuses us: {error}: check user and password"
    return f"{_redis()} does not answer: {str(error).rstrip('.')}; {_CHECK}"


def _database() -> str:
    return f"PostgreSQL at DATABASE_URL {_shown(lambda settings: settings.database_url)}".rstrip()


def _redis() -> str:
    return f"Redis at REDIS_URL {_shown(lambda settings: settings.queue_url)}".rstrip()


def _shown(url_of: Callable[[Settings], SecretStr | None]) -> str:
    """Return the URL of a server without what is secret of it."""
    try:
        url = url_of(with_servers(Settings()))
    except (AlmanacError, OSError, ValueError):  # then that is not the failure to tell of
        return ""
    return redact(url.get_secret_value()) if url else ""
