"""The generic tools: ids, cursors, encryption, settings."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from service.config import Settings
from service.errors import ConfigurationError, InvalidInput
from service.kit.crypto import CannotDecrypt, Keyring
from service.kit.ids import milliseconds_of, uuid7
from service.kit.pagination import decode_cursor, encode_cursor

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


def test_ids_are_version_7_and_sort_by_time() -> None:
    """RFC 9562: 48 bits of milliseconds, version 7, variant 10."""
    before = time.time_ns() // 1_000_000
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert before <= first.int >> 80 <= time.time_ns() // 1_000_000
    assert first < second
    many = [uuid7() for _ in range(10_000)]
    assert many == sorted(set(many))


@pytest.mark.parametrize(("seconds", "follows"), [(59, False), (61, True)])
def test_ids_follow_a_clock_that_was_set_back(*, seconds: int, follows: bool) -> None:
    """A little behind, order matters more; far behind, ids and the audit log tell the time."""
    with time_machine.travel(NOON, tick=False):
        first = uuid7()
    with time_machine.travel(NOON - timedelta(seconds=seconds), tick=False):
        second = uuid7()
    assert (second < first) is follows
    told = datetime.fromtimestamp(milliseconds_of(second) / 1000, UTC)
    assert told == (NOON - timedelta(seconds=seconds) if follows else NOON)


@given(st.uuids())
def test_cursors_give_the_id_back(row_id: UUID) -> None:
    """Whatever the id."""
    assert decode_cursor(encode_cursor(row_id)) == row_id


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_invalid_input(cursor: str) -> None:
    """No cursor raises anything else."""
    try:
        assert isinstance(decode_cursor(cursor), UUID)
    except InvalidInput as error:
        assert [problem.field for problem in error.problems] == ["cursor"]


@given(st.binary(max_size=200))
def test_secrets_come_back_and_only_in_their_place(secret: bytes) -> None:
    """Another context, another key or a changed byte: refused."""
    keyring = Keyring(["a long enough secret"])
    token = keyring.encrypt(secret, context="accounts/1")
    assert keyring.decrypt(token, context="accounts/1") == secret
    with pytest.raises(CannotDecrypt):
        keyring.decrypt(token, context="accounts/2")
    with pytest.raises(CannotDecrypt):
        keyring.decrypt(token[:-1] + bytes([token[-1] ^ 1]), context="accounts/1")
    with pytest.raises(CannotDecrypt, match="SECRET_KEY_OLD"):
        Keyring(["quite another secret"]).decrypt(token, context="accounts/1")


def test_rotation_reads_old_and_writes_new() -> None:
    """The first secret encrypts, all decrypt."""
    old, new = Keyring(["the earlier secret"]), Keyring(["the present secret"])
    both = Keyring(["the present secret", "the earlier secret"])
    assert both.decrypt(old.encrypt(b"x", context="c"), context="c") == b"x"
    assert new.decrypt(both.encrypt(b"y", context="c"), context="c") == b"y"


def test_the_same_secret_never_looks_the_same() -> None:
    """A fresh nonce each time."""
    keyring = Keyring(["a long enough secret"])
    assert len({keyring.encrypt(b"x", context="c") for _ in range(100)}) == 100


def test_short_secrets_are_refused() -> None:
    """With how to make a good one."""
    with pytest.raises(ConfigurationError, match="at least 16 characters"):
        Keyring(["short"])


def settings(**values: object) -> Settings:
    """Settings from these values alone."""
    return Settings(_env_file=None, **values)  # type: ignore[arg-type] # any field


@pytest.mark.parametrize(
    ("values", "production"),
    [
        ({}, False),
        ({"redis_url": SecretStr("redis://r")}, True),
        ({"database_url": SecretStr("postgresql://p")}, True),
        ({"redis_url": SecretStr("redis://r"), "environment": "development"}, False),
        ({"environment": "production"}, True),
    ],
)
def test_development_is_only_the_default_without_urls(
    values: dict[str, object], production: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming a server means business, unless the environment says otherwise."""
    for name in ("REDIS_URL", "DATABASE_URL", "ALMANAC_ENV", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert settings(**values).production is production


def test_production_names_everything_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded servers and a missing secret, each."""
    for name in ("REDIS_URL", "DATABASE_URL", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    reasons = settings(environment="production").refusals()
    assert [reason.partition(" ")[0] for reason in reasons] == [
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
    ]
    assert settings().refusals() == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """G006, G019, T007: one settings module; REDIS_URL and the rest by their names."""
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6380/3")
    monkeypatch.setenv("ALMANAC_PORT", "9000")
    monkeypatch.setenv("ALMANAC_ALLOWED_PRIVATE_HOSTS", "10.0.0.0/8, mastodon.lan")
    monkeypatch.setenv("PUBLISHING_CONCURRENCY", "3")
    monkeypatch.setenv("DATABASE_URL", "")
    found = settings()
    assert found.redis_url is not None
    assert found.redis_url.get_secret_value() == "redis://elsewhere:6380/3"
    assert (found.port, found.publishing_concurrency) == (9000, 3)
    assert found.allowed_private_hosts == ("10.0.0.0/8", "mastodon.lan")
    assert found.database_url is None
    assert found.base_url == "http://127.0.0.1:9000"
    assert "elsewhere" not in repr(found)
