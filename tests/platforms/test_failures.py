"""How answers become failures, by status and by step."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from service.kit.outbound import Answer
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)
from service.platforms.http import Step, failure, redacted, wait_until

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
READ = Step("Network", "uploading")
COMMIT = Step("Network", "posting", commits=True)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, httpx.Headers({k.replace("_", "-"): v for k, v in headers.items()}), body)


@pytest.mark.parametrize(
    ("status", "on_read", "on_commit"),
    [
        (301, Rejected, Rejected),
        (400, Rejected, Rejected),
        (401, AuthFailed, AuthFailed),
        (403, Rejected, Rejected),
        (404, Rejected, Rejected),
        (408, Transient, Transient),
        (410, Rejected, Rejected),
        (413, Rejected, Rejected),
        (422, Rejected, Rejected),
        (425, Transient, Transient),
        (429, RateLimited, RateLimited),
        (500, Transient, Ambiguous),
        (502, Transient, Ambiguous),
        (503, Transient, Ambiguous),
        (504, Transient, Ambiguous),
        (529, Transient, Ambiguous),
    ],
)
def test_by_status_and_step(
    status: int, on_read: type[PlatformError], on_commit: type[PlatformError]
) -> None:
    assert type(failure(READ, answer(status))) is on_read
    assert type(failure(COMMIT, answer(status))) is on_commit


def test_a_step_says_which_statuses_refuse_the_credentials() -> None:
    step = Step("Network", "posting", auth_statuses=(401, 403))
    assert type(failure(step, answer(403))) is AuthFailed


def test_408_with_a_time_is_a_limit() -> None:
    assert type(failure(COMMIT, answer(408, Retry_After="5"))) is RateLimited


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "Text is too long"}', "Text is too long"),
        (b'{"error": "InvalidRequest", "message": "no"}', "InvalidRequest: no"),
        (b'{"ok": false, "description": "chat not found"}', "chat not found"),
        (b'{"error": {"code": 1}}', '{"error": {"code": 1}}'),
        (b"[1]", "[1]"),
        (b"<h1>Not here</h1>", "<h1>Not here</h1>"),
        (b"", "no message"),
        (b"\xff", "\ufffd"),
        (b"x" * 5000, "x" * 300 + "…"),
    ],
)
def test_errors_name_step_status_and_the_platforms_words(body: bytes, words: str) -> None:
    assert failure(READ, answer(404, body)).message == f"Network, uploading: status 404: {words}"


def test_errors_hold_no_secret() -> None:
    step = Step("Network", "posting", secrets=("s3cret/token", "", "s3cret"))
    body = b'{"error": "https://host/bots3cret/token and s3cret%2Ftoken and s3cret"}'
    assert failure(step, answer(404, body)).message == (
        "Network, posting: status 404: https://host/bot*** and *** and ***"
    )


@given(st.text(), st.lists(st.text(min_size=4)))
def test_redaction_leaves_no_secret(text: str, secrets: list[str]) -> None:
    hidden = redacted(text + "".join(secrets), secrets)
    assert not any(secret in hidden for secret in secrets if "*" not in secret)


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (answer(429, Retry_After="120"), 120),
        (answer(429, Retry_After="Sat, 21 Nov 2026 09:05:00 GMT"), 300),
        (answer(429, X_RateLimit_Reset="2026-11-21T09:01:30.5Z"), 90.5),
        (answer(429, X_RateLimit_Reset=str(int(NOW.timestamp()) + 40)), 40),
        (answer(429, RateLimit_Reset="30"), 30),
        (answer(429, RateLimit_Reset=str(int(NOW.timestamp()) + 50)), 50),
        (answer(429, Retry_After="10", RateLimit_Reset="300"), 10),
        (answer(429, Retry_After="soon", RateLimit_Reset="300"), 300),
        (answer(429, b'{"retry_after": 2.5}'), 2.5),
        (answer(429, b'{"parameters": {"retry_after": 35}}'), 35),
        (answer(429, b'{"parameters": 1}'), 60),
        (answer(429), 60),
        (answer(429, Retry_After="0"), 1),
        (answer(429, Retry_After="-5"), 1),
        (answer(429, X_RateLimit_Reset="2020-01-01T00:00:00Z"), 1),
        (answer(429, Retry_After="999999"), 86_400),
        (answer(429, Retry_After="9" * 400), 60),
        (answer(429, Retry_After="nan"), 60),
        (answer(429, X_RateLimit_Reset="9999-12-31T23:59:59Z"), 86_400),
    ],
)
def test_when_to_come_back(response: Answer, seconds: float) -> None:
    with time_machine.travel(NOW, tick=False):
        assert wait_until(response) - NOW == timedelta(seconds=seconds)
        limited = failure(COMMIT, response)
    assert isinstance(limited, RateLimited)
    assert limited.until - NOW == timedelta(seconds=seconds)


@given(st.text(), st.binary())
def test_any_answer_has_a_time(header: str, body: bytes) -> None:
    response = Answer(429, httpx.Headers({b"Retry-After": header.encode()}), body)
    with time_machine.travel(NOW, tick=False):
        assert timedelta(seconds=1) <= wait_until(response) - NOW <= timedelta(hours=24)
