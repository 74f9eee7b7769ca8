"""The connection to the Redis or Valkey server that holds the queues."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.errors import ConfigurationError, Unavailable
from service.queue.client import QueueClient

T = TypeVar("T")

_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
_TRANSPORT: dict[str, dict[str, Any]] = {
    "redis": {"socket_keepalive": True},
    "rediss": {"socket_keepalive": True, "ssl_check_hostname": True},
    "unix": {},
}
# The others that redis-py knows are set here or, as decode_responses, would break arq.
_OPTIONS = frozenset(
    {
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "password",
        "protocol",
        "socket_connect_timeout",
        "socket_timeout",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "username",
    }
)
_FLOORS = {"redis": (7, 0), "valkey": (8, 0)}


def connect(
    url: str, *, retries: int = 8, connect_timeout: float = 2, timeout: float = 10
) -> QueueClient:
    """Return a client for `url`, to be closed by `aclose`; it connects at its first command.

    Args:
        url: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS with the host
            name checked, `valkey://`, `valkeys://`, or `unix://[user:password@]/path[?db=1]`.
            Special characters of user, password and path are percent-encoded. Query options are
            redis-py's; `max_connections` leaves out two per event loop, one that sends jobs and one
            that hears of their ends.
        retries: how often a connection and a command are tried again, after 0.2 s to 2 s; the
            default bridges a restart of about 10 s. Zero fails at once.
        connect_timeout: seconds until a connection must stand.
        timeout: seconds the server may take for a reply.

    Raises ConfigurationError for a URL that cannot be used; no part of a password is shown.
    """
    scheme, _, rest = url.partition("://")
    _check(url, scheme)
    try:
        # With a limit of connections, who finds none free waits for one.
        limited = "max_connections" in parse_qs(urlsplit(url).query)
        kind = BlockingConnectionPool if limited else ConnectionPool
        pool = kind.from_url(
            f"{_SCHEMES[scheme]}://{rest}",
            retry=_Retry(ExponentialBackoff(cap=2, base=0.1), retries),
            retry_on_error=[RedisConnectionError, RedisTimeoutError, OSError],
            socket_connect_timeout=connect_timeout,
            socket_timeout=timeout,
            **_TRANSPORT[_SCHEMES[scheme]],
        )
        pool.connection_class = type("Connection", (_Losable, pool.connection_class), {})
        # An option that fits no such connection shows now, not at the first command.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError):
        raise _unusable(scheme, "an option has a wrong value or does not fit the scheme") from None
    client = QueueClient(pool)
    client.auto_close_connection_pool = True  # aclose() of the client ends its connections
    return client


async def verify(client: ArqRedis) -> list[str]:
    """Ask the server whether it can hold queues; return warnings, each a sentence.

    Raises Unavailable when it does not answer, ConfigurationError when it refuses the password, is
    older than Redis 7.0 or Valkey 8.0, or is a cluster node or a sentinel.
    """
    try:
        info = await client.info()
    except RedisError as error:
        # On a socket file redis-py wraps a refused password in a lost connection.
        if AuthenticationError in (type(error), type(error.__cause__)):
            raise ConfigurationError(f"Redis refuses the user or the password: {error}") from error
        raise Unavailable(f"Redis does not answer: {error}") from error
    return check_server(info)


def check_server(info: Mapping[str, Any]) -> list[str]:
    """Judge a server by its INFO reply; see `verify`."""
    if info.get("redis_mode") == "cluster" or info.get("cluster_enabled"):
        raise ConfigurationError(
            "this is a Redis Cluster, where arq's commands cannot work: they need all keys on one "
            "node. Use one server per group of queues (<QUEUE>_REDIS_URL), Sentinel for failover"
        )
    if info.get("redis_mode") == "sentinel":
        raise ConfigurationError("this is a Sentinel, not the Redis server that it watches")
    product = "valkey" if "valkey_version" in info else "redis"
    version = str(info[f"{product}_version"])
    floor = _FLOORS[product]
    if tuple(map(int, version.split(".")[:2])) < floor:
        raise ConfigurationError(
            f"{product} {version} is too old; needed is Redis 7.0 or Valkey 8.0, or newer"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return [f"maxmemory-policy is {policy}: Redis may drop jobs; set it to noeviction"]
    return []


class _Losable(AbstractConnection):
    """A connection whose loss is always an error of the connection."""

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> None:
        """Send; see redis-py, which lets through how uvloop names a closed transport."""
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"connection lost: {error}") from error


class _Retry(Retry):
    """redis-py's retry of one connection, without its two traps.

    A repeated command connects again, which redis-py repeats as often: minutes instead of seconds.
    And it takes a wrong password for a lost connection.
    """

    _repeating = False

    async def call_with_retry(
        self, do: Callable[[], Awaitable[T]], fail: Callable[[RedisError], Any]
    ) -> T:
        """Run `do` until it succeeds, `fail` after each lost connection; see redis-py."""
        if self._repeating:
            return await do()

        async def attempt() -> T | AuthenticationError:
            try:
                return await do()
            except AuthenticationError as error:
                return error

        self._repeating = True
        try:
            outcome = await super().call_with_retry(attempt, fail)
        finally:
            self._repeating = False
        if isinstance(outcome, AuthenticationError):
            raise outcome
        return outcome


def _check(url: str, scheme: str) -> None:
    """Refuse what urlsplit and redis-py would misread in silence, or quote with the password."""
    if "://" not in url or scheme not in _SCHEMES:
        raise _unusable("", "the scheme is unknown")
    try:
        parts = urlsplit(url)
        host, port_given = parts.hostname, parts.port is not None
    except ValueError:
        raise _unusable(scheme, "host or port cannot be read") from None
    if parts.fragment or "@" in f"{parts.path}{parts.query}":
        raise _unusable(scheme, "user and password must be percent-encoded")
    if scheme == "unix":
        if host or port_given or parts.path in ("", "/"):
            raise _unusable(scheme, "the path must be absolute: unix:///run/valkey.sock")
    elif not re.fullmatch(r"(/\d*)?", parts.path):
        raise _unusable(scheme, "the database must be a number: redis://localhost:6379/1")
    if unknown := parse_qs(parts.query, keep_blank_values=True).keys() - _OPTIONS:
        raise _unusable(scheme, f"unknown options {sorted(unknown)}; known are {sorted(_OPTIONS)}")


def _unusable(scheme: str, reason: str) -> ConfigurationError:
    shown = f"{scheme}://…" if scheme else "the Redis URL"
    return ConfigurationError(
        f"{shown} cannot be used: {reason}. Expected is redis://, rediss://, valkey://, valkeys:// "
        "or unix://"
    )
