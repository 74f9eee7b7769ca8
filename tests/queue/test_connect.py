"""Connections: URLs, secrets, restarts, and what the server must be."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.exceptions import ConnectionError as RedisConnectionError

from service.errors import ConfigurationError, Unavailable
from service.queue import connect, verify
from service.queue.connect import check_server
from tests.queue.conftest import running_valkey
from tests.queue.examples import KEY, echo

pytestmark = pytest.mark.asyncio

PASSWORD = "p@ss/w:rd #1?%41"


async def test_nothing_is_connected_before_use(socket_directory: Path) -> None:
    client = connect(f"unix://{socket_directory}/nobody", retries=0)
    with pytest.raises(RedisConnectionError):
        await client.ping()
    with pytest.raises(Unavailable, match="Redis does not answer: Error 2 connecting to"):
        await verify(client)


async def test_a_socket_path_with_spaces(socket_directory: Path) -> None:
    directory = socket_directory / "with space"
    directory.mkdir()
    with running_valkey(directory / "s") as url:
        assert "with%20space" in url
        async with connect(url) as client:
            assert await verify(client) == []


@pytest.mark.parametrize("user", ["", "default"])
async def test_passwords_are_percent_encoded_and_never_shown(
    socket_directory: Path, user: str
) -> None:
    """G061: with a password set, the right one connects, a wrong one fails clearly and at once."""
    secret = quote(PASSWORD, safe="")
    with running_valkey(socket_directory / "s", "--requirepass", PASSWORD) as url:
        path = url.removeprefix("unix://")
        async with connect(f"unix://{user}:{secret}@{path}") as client:
            assert await client.enqueue(echo(number=1)) is not None
            for shown in (repr(client), str(client), repr(client.connection_pool)):
                assert PASSWORD not in shown
                assert secret not in shown
        for wrong in (f"unix://{user}:wr0ng@{path}", url):
            began = time.monotonic()
            async with connect(wrong) as client:
                with pytest.raises(ConfigurationError, match="refuses the user or the pass") as e:
                    await verify(client)
            assert time.monotonic() - began < 2
            assert "wr0ng" not in f"{e.value!r}{e.value.__cause__!r}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://:s3cret@localhost", "the Redis URL cannot be used: the scheme is unknown"),
        ("s3cret", "the scheme is unknown"),
        ("redis://:s3cret/x@localhost:6379", "host or port cannot be read"),
        ("redis://:1?s3cret@localhost", "user and password must be percent-encoded"),
        ("redis://:1#s3cret@localhost", "user and password must be percent-encoded"),
        ("redis://:1/s3cret@localhost", "user and password must be percent-encoded"),
        ("redis://:s3cret@[::1", "host or port cannot be read"),
        ("redis://:s3cret@localhost:70000", "host or port cannot be read"),
        ("redis://:s3cret@localhost/one", "the database must be a number"),
        ("redis://:s3cret@localhost/1/2", "the database must be a number"),
        ("redis://:s3cret@localhost?db=one", "an option has a wrong value"),
        ("redis://:s3cret@localhost?decode_responses=1", r"unknown options \['decode_responses'\]"),
        ("redis://:s3cret@localhost?ssl_cert_reqs=none", "does not fit the scheme"),
        ("unix://:s3cret@run/valkey.sock", "the path must be absolute"),
        ("unix://:s3cret@", "the path must be absolute"),
    ],
)
async def test_unusable_urls_say_why_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", {"socket_keepalive": True}),
        ("valkey://h:7000/3", {"host": "h", "port": 7000, "db": 3}),
        ("valkeys://u:p%40ss@h/", {"password": "p@ss", "username": "u", "host": "h"}),
        ("rediss://h?protocol=3&client_name=me", {"protocol": "3", "client_name": "me"}),
        ("unix:///a%20b/s?db=2", {"path": "/a b/s", "db": 2}),
    ],
)
async def test_urls_are_understood(url: str, expected: dict[str, object]) -> None:
    settings = connect(url).connection_pool.connection_kwargs
    assert {name: settings[name] for name in expected} == expected


def certificate(directory: Path, host: str) -> Path:
    """Write a self-signed certificate for `host` with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = directory / f"{host}.pem"
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(pem) + private)
    return path


@asynccontextmanager
async def tls_in_front_of(socket_path: Path, chain: Path) -> AsyncIterator[int]:
    """Terminate TLS on a port of localhost and pass everything on to the socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(socket_path)
        while data := await reader.read(65_536):
            server_writer.write(data)
            writer.write(await server_reader.read(65_536))
        for stream in (writer, server_writer):
            stream.close()

    async with await asyncio.start_server(pass_on, "localhost", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("host", ["localhost", "elsewhere.example"])
@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_tls_checks_the_host_name(
    valkey_socket_url: str, tmp_path: Path, host: str, scheme: str
) -> None:
    chain = certificate(tmp_path, host)
    socket_path = Path(valkey_socket_url.removeprefix("unix://"))
    async with tls_in_front_of(socket_path, chain) as port:
        url = f"{scheme}://localhost:{port}?ssl_ca_certs={chain}"
        async with connect(url, retries=0) as client:
            if host == "localhost":
                assert await client.ping()
            else:
                with pytest.raises(RedisConnectionError, match="Hostname mismatch"):
                    await client.ping()


async def test_a_restart_is_bridged(socket_directory: Path) -> None:
    """A connected client and a new one both wait for the server to return."""
    path = socket_directory / "s"
    with running_valkey(path) as url:
        known, new = connect(url), connect(url)
        await known.enqueue(echo(number=1))
    path.unlink()
    sending = [asyncio.create_task(c.enqueue(echo(number=2))) for c in (known, new)]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in sending)
    with running_valkey(path):
        assert None not in await asyncio.gather(*sending)
        assert await known.zcard(KEY) == 2
        await known.aclose()
        await new.aclose()


async def test_a_transport_closed_by_the_server_is_a_lost_connection(
    socket_directory: Path,
) -> None:
    """uvloop, which workers run on, names it with a RuntimeError; commands are tried again."""

    async def survive() -> None:
        client = connect(f"unix://{socket_directory}/s")
        await client.ping()
        (connection,) = client.connection_pool._available_connections
        writer = connection._writer
        assert writer is not None
        writer.transport.abort()
        await asyncio.sleep(0.1)
        with pytest.raises(RedisConnectionError, match="the handler is closed"):
            await connection.send_command("PING")
        await client.ping()
        await client.aclose()

    with running_valkey(socket_directory / "s"):
        await asyncio.to_thread(uvloop.run, survive())


async def test_a_server_that_stays_away_is_given_up(socket_directory: Path) -> None:
    """Connecting again inside a repeated command does not multiply the waiting."""
    with running_valkey(socket_directory / "s") as url:
        known, new = connect(url, retries=2), connect(url, retries=2)
        await known.ping()
    for client in (known, new):
        began = time.monotonic()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        assert 0.6 <= time.monotonic() - began < 1.2
        await client.aclose()


async def test_a_cluster_is_refused(socket_directory: Path) -> None:
    with running_valkey(socket_directory / "s", "--cluster-enabled", "yes") as url:
        async with connect(url) as client:
            with pytest.raises(ConfigurationError, match=r"Redis Cluster.*<QUEUE>_REDIS_URL"):
                await verify(client)


async def test_an_evicting_server_is_warned_about(socket_directory: Path) -> None:
    with running_valkey(socket_directory / "s", "--maxmemory-policy", "volatile-lru") as url:
        async with connect(url) as client:
            assert await verify(client) == [
                "maxmemory-policy is volatile-lru: Redis may drop jobs; set it to noeviction"
            ]


@pytest.mark.parametrize(
    "info",
    [
        {"redis_version": "6.2.14"},
        {"redis_version": "7.2.4", "valkey_version": "7.2.8"},
        {"redis_version": "7.2.4", "redis_mode": "sentinel", "valkey_version": "9.0.0"},
        {"redis_version": "7.4.0", "redis_mode": "cluster"},
    ],
)
async def test_unfit_servers_are_refused(info: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        check_server(info)


@pytest.mark.parametrize(
    "info",
    [
        {"redis_version": "7.0.0", "maxmemory_policy": "noeviction"},
        {"redis_version": "255.255.255"},
        {"redis_version": "7.2.4", "valkey_version": "8.0.0", "cluster_enabled": 0},
    ],
)
async def test_fit_servers_pass(info: dict[str, str | int]) -> None:
    assert check_server(info) == []
