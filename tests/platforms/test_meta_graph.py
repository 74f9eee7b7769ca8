"""What the answers of Meta's Graph API mean: codes before statuses, and never a secret."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.kit.outbound import Answer
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.http import Step
from service.platforms.meta.graph import ContainerGone, Duplicate, Missing, failure, used_up_until

READ = Step("Instagram", "reading", secrets=("EAAGsecret",))
COMMIT = Step("Instagram", "posting", commits=True)


def answer(
    code: int | None = None,
    subcode: int | None = None,
    *,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Answer:
    error = {"message": "Words", "code": code, "error_subcode": subcode, **more}
    return Answer(status, httpx.Headers(headers or {}), json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("code", "subcode", "reading", "committing"),
    [
        (1, None, Transient, Ambiguous),
        (2, None, Transient, Ambiguous),
        (-1, 2207001, Transient, Ambiguous),
        (-2, 2207003, Transient, Transient),
        (9004, 2207052, Transient, Transient),
        (9007, 2207027, Transient, Transient),
        (-2, 2207020, ContainerGone, ContainerGone),
        (24, 2207006, ContainerGone, ContainerGone),
        (24, 4279009, ContainerGone, ContainerGone),
        (4, 2207051, RateLimited, Ambiguous),
        (9, 2207042, RateLimited, RateLimited),
        *((code, None, RateLimited, RateLimited) for code in (4, 17, 32, 341, 613, 80000, 80014)),
        (368, 1390008, RateLimited, RateLimited),
        *((190, subcode, TokenExpired, TokenExpired) for subcode in (None, 463, 467)),
        (102, None, TokenExpired, TokenExpired),
        *((190, subcode, AuthFailed, AuthFailed) for subcode in (458, 459, 460, 464, 492)),
        (200, 1404078, AuthFailed, AuthFailed),
        (100, 33, Missing, Missing),
        (506, 1455006, Duplicate, Duplicate),
        *((code, None, Rejected, Rejected) for code in (3, 10, 100, 200, 299, 352, 36003)),
        (25, 2207050, Rejected, Rejected),
        (36004, 2207010, Rejected, Rejected),
        (324, 1366046, Rejected, Rejected),
    ],
)
def test_what_a_code_means(
    code: int,
    subcode: int | None,
    reading: type[PlatformError],
    committing: type[PlatformError],
) -> None:
    """V012: the table of errors; the status is always the same."""
    assert type(failure(READ, answer(code, subcode))) is reading
    assert type(failure(COMMIT, answer(code, subcode))) is committing
    assert type(failure(READ, answer(code, subcode, status=500))) is reading


@pytest.mark.parametrize(
    ("status", "reading", "committing"),
    [
        (400, Rejected, Rejected),
        (401, AuthFailed, AuthFailed),
        (429, RateLimited, RateLimited),
        (500, Transient, Ambiguous),
    ],
)
def test_the_status_counts_where_the_code_is_unknown(
    status: int, reading: type[PlatformError], committing: type[PlatformError]
) -> None:
    for given in (
        answer(99_999, status=status),
        Answer(status, httpx.Headers(), b"<html>oops</html>"),
        Answer(status, httpx.Headers(), b'{"error": "text"}'),
    ):
        assert type(failure(READ, given)) is reading
        assert type(failure(COMMIT, given)) is committing


def test_what_else_an_error_says() -> None:
    assert type(failure(READ, answer(99_999, is_transient=True))) is Transient
    revoked = answer(1, message="Error: REVOKED_ACCESS_TOKEN")
    assert type(failure(COMMIT, revoked)) is AuthFailed


def test_the_text_has_all_there_is_to_know_and_no_secret() -> None:
    given = answer(
        36003,
        2207009,
        message="Bad ratio of EAAGsecret",
        error_user_msg="Must be 4:5",
        fbtrace_id="Abc",
    )
    assert failure(READ, given).message == (
        "Instagram, reading: Bad ratio of ***: Must be 4:5 "
        "(code 36003, subcode 2207009, trace Abc): change the image"
    )


@pytest.mark.parametrize(
    ("code", "subcode", "headers", "scope", "seconds"),
    [
        (4, None, {}, "app", 300),
        (341, None, {}, "app", 300),
        (17, None, {}, "account", 300),
        (9, 2207042, {}, "account", 3_600),
        (32, None, {"Retry-After": "17"}, "account", 17),
        (80001, None, {"X-Business-Use-Case-Usage": "usage"}, "account", 19 * 60),
    ],
)
def test_how_long_a_limit_lasts(
    code: int, subcode: int | None, headers: dict[str, str], scope: str, seconds: int
) -> None:
    usage = {"1": [{"type": "pages", "call_count": 101, "estimated_time_to_regain_access": 19}]}
    sent = {name: json.dumps(usage) if text == "usage" else text for name, text in headers.items()}
    limited = failure(READ, answer(code, subcode, headers=sent))
    assert isinstance(limited, RateLimited)
    assert limited.scope == scope
    wait = limited.until - datetime.now(UTC)
    assert timedelta(seconds=seconds - 2) < wait <= timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("usage", "minutes"),
    [
        (None, None),
        ("no JSON", None),
        ('["a list"]', None),
        ('{"1": [{"call_count": 99, "estimated_time_to_regain_access": 0}]}', None),
        ('{"1": [{"total_time": 100, "estimated_time_to_regain_access": 7}]}', 7),
        ('{"1": [{"total_cputime": 100}]}', 5),
        ('{"1": [{"call_count": 100, "estimated_time_to_regain_access": 99999}]}', 1_440),
        (
            '{"1": [{"call_count": 100, "estimated_time_to_regain_access": 3}],'
            ' "2": [{"call_count": 100, "estimated_time_to_regain_access": 9}]}',
            9,
        ),
    ],
)
def test_usage(usage: str | None, minutes: int | None) -> None:
    """The longest wait counts, a day at most; without one it is five minutes."""
    headers = {} if usage is None else {"X-Business-Use-Case-Usage": usage}
    until = used_up_until(Answer(200, httpx.Headers(headers), b"{}"))
    if minutes is None:
        assert until is None
        return
    assert until is not None
    wait = until - datetime.now(UTC)
    assert timedelta(minutes=minutes, seconds=-2) < wait <= timedelta(minutes=minutes)
