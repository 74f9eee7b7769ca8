"""Bad input: a clear 4xx that names every problem, and no row, no job."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.media.clips import MOVING_GIF
from tests.support import PNG, Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left(api: Installation) -> AsyncIterator[None]:
    """Whatever a test here sends, no post, delivery or job comes of it."""
    yield
    assert await api.count("posts") == 0
    assert await api.count("deliveries") == 0
    assert await api.count("remembered_replies") == 0
    assert await api.queued() == []


async def refused(api: Installation, body: object, **options: Any) -> dict[str, str]:
    """Send a post that must be refused and return its problems."""
    response = await api.post("/v1/posts", body, **options)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return problems(response)


async def test_unknown_account(api: Installation) -> None:
    """An account that does not exist is named."""
    unknown = str(uuid4())
    assert await refused(api, {"text": "x", "accounts": [unknown]}) == {
        "accounts[0]": f"{unknown} is not among your accounts"
    }


async def test_somebody_elses_account(api: Installation) -> None:
    """Another user's account does not exist for us."""
    key = await api.new_key("settings:write")
    account = await api.connect(key=key)
    mine = await api.new_key("posts:write", user="me")
    assert await refused(api, {"text": "x", "accounts": [account]}, key=mine) == {
        "accounts[0]": f"{account} is not among your accounts"
    }


async def test_past_time(api: Installation) -> None:
    """G029: a time that has passed is refused with the time as we read it."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    found = await refused(api, {"text": "x", "publish_at": moment.isoformat()})
    assert found == {
        "publish_at": f"{moment:%Y-%m-%d %H:%M:%S} UTC has passed; leave it out to publish now"
    }


async def test_naive_time_without_zone(api: Installation) -> None:
    """A wall-clock time needs a zone."""
    found = await refused(api, {"text": "x", "publish_at": "2031-05-01T09:00:00"})
    assert found == {"publish_at": "has no offset: add one (…Z, …+01:00) or name a 'zone'"}


def next_spring_gap() -> datetime:
    """Return 02:30 on the next day on which clocks in Paris go from 02:00 to 03:00."""
    zone, day = ZoneInfo("Europe/Paris"), datetime.now(UTC).date() + timedelta(days=2)
    while True:
        before = datetime(day.year, day.month, day.day, 1, 30, tzinfo=zone)
        if (before + timedelta(hours=3)).utcoffset() > before.utcoffset():  # type: ignore[operator] # both are aware
            return before.replace(hour=2, tzinfo=None)
        day += timedelta(days=1)


async def test_impossible_time(api: Installation) -> None:
    """A time that clocks skip is refused, not shifted."""
    gap = next_spring_gap()
    body = {"text": "x", "publish_at": gap.isoformat(), "zone": "Europe/Paris"}
    assert await refused(api, body) == {
        "publish_at": f"{gap:%Y-%m-%d %H:%M} does not exist in Europe/Paris: "
        "clocks go forward over it"
    }


async def test_not_a_time_not_a_zone(api: Installation) -> None:
    """Both are named at once."""
    found = await refused(api, {"text": "x", "publish_at": "tomorrow", "zone": "Mars/Olympus"})
    assert found == {
        "publish_at": "'tomorrow' is not an ISO 8601 time such as 2030-01-31T09:00:00Z",
        "zone": "'Mars/Olympus' is not an IANA time zone such as Europe/Paris",
    }


async def test_text_too_long_for_one_of_three(api: Installation) -> None:
    """Only the account that the text does not fit is named, with by how much."""
    accounts = [await api.connect(), await api.connect("x"), await api.connect()]
    found = await refused(api, {"text": "a" * 300, "accounts": accounts})
    assert list(found) == ["text"]
    assert "x account handle2" in found["text"]
    assert "Too long by 20" in found["text"]
    assert "280" in found["text"]


async def test_every_problem_at_once(api: Installation) -> None:
    """Time, account, platform, override and text in one answer."""
    x = await api.connect("x")
    response = await api.post(
        "/v1/posts",
        {
            "text": "a" * 300,
            "accounts": [x, str(uuid4())],
            "platforms": ["mastodon", "myspace"],
            "overrides": {"bluesky": {"text": "hi"}},
            "publish_at": "2001-01-01T00:00:00Z",
        },
    )
    assert set(problems(response)) == {
        "publish_at",
        "accounts[1]",
        "platforms[0]",
        "platforms[1]",
        "overrides.bluesky",
        "text",
    }


async def upload(api: Installation, content: bytes, name: str = "a.png", **options: Any) -> Any:
    """Upload a file."""
    return await api.request("POST", "/v1/media", files={"file": (name, content)}, **options)


async def test_five_images(api: Installation) -> None:
    """One image too many for X."""
    account = await api.connect("x")
    ids = []
    for number in range(5):
        response = await upload(api, PNG + bytes([number]))
        assert response.status_code == 201, response.text
        ids.append(response.json()["id"])
    found = await refused(
        api, {"text": "x", "accounts": [account], "media": [{"id": i} for i in ids]}
    )
    assert list(found) == ["media"]
    assert "x account handle1" in found["media"]
    assert "4" in found["media"]


async def test_wrong_file_type(api: Installation) -> None:
    """The content decides, not the name; nothing is stored."""
    response = await upload(api, b"%PDF-1.7 not a picture", "photo.png")
    assert response.status_code == 422
    assert "allowed: image/jpeg, image/png" in problems(response)["file"]
    assert await api.count("media") == 0
    folder = api.runtime.settings.media_folder
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_what_no_conversion_mends(api: Installation) -> None:
    """Instagram takes JPEG only, which a moving image cannot become."""
    account = await api.connect("instagram")
    media = (await upload(api, MOVING_GIF)).json()
    found = await refused(api, {"text": "x", "accounts": [account], "media": [{"id": media["id"]}]})
    assert "image/gif is not taken here; allowed: image/jpeg. It moves" in found["media[0]"]


async def test_unknown_media(api: Installation) -> None:
    """Media that nobody uploaded is named by its place."""
    unknown = str(uuid4())
    assert await refused(api, {"text": "x", "media": [{"id": unknown}]}) == {
        "media[0].id": f"{unknown} is not among your uploads"
    }


async def test_huge_body(api: Installation) -> None:
    """413 before the body is read to its end, whatever Content-Length says."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"text": "'
        while sent < 50_000_000:
            sent += 65536
            yield b"a" * 65536

    response = await api.request(
        "POST", "/v1/posts", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 413
    assert response.json()["detail"] == "The body may have at most 1,048,576 bytes"


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb"])
async def test_control_characters(api: Installation, text: str) -> None:
    """NUL and other control characters are refused, not stripped."""
    assert list(await refused(api, {"text": text})) == ["text"]


async def test_half_a_surrogate_pair(api: Installation) -> None:
    """JSON can carry what UTF-8 cannot."""
    response = await api.request(
        "POST",
        "/v1/posts",
        content=b'{"text": "a\\ud800b"}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 422
    assert list(problems(response)) == ["text"]


async def test_unknown_fields(api: Installation) -> None:
    """A misspelt field is named; it is not ignored."""
    assert await refused(api, {"text": "x", "publsh_at": in_seconds(60)}) == {
        "publsh_at": "is unknown here; look at /docs for the fields"
    }


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '"text"'])
async def test_not_an_object(api: Installation, body: str) -> None:
    """A body that is no JSON object is a 422 problem, not a 500."""
    response = await api.request(
        "POST", "/v1/posts", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_empty_post(api: Installation) -> None:
    """Nothing to say is a problem."""
    assert await refused(api, {}) == {"text": "is needed, or a link, or media"}


@pytest.mark.parametrize("link", ["javascript:alert(1)", "example.org", "http://", "ftp://a.b/c"])
async def test_bad_links(api: Installation, link: str) -> None:
    """Only http and https links with a host."""
    assert list(await refused(api, {"text": "x", "link": link})) == ["link"]


async def test_wrong_scope(api: Installation) -> None:
    """403 says which scope is missing and which the key has."""
    key = await api.new_key("posts:read")
    response = await api.post("/v1/posts", {"text": "x"}, key=key)
    assert response.status_code == 403
    assert response.json()["detail"] == ("This needs the scope 'posts:write'; you have: posts:read")


@pytest.mark.parametrize("key", ["wrong", "almanac_wrong"])
async def test_wrong_key(api: Installation, key: str) -> None:
    """401 with how to authenticate."""
    response = await api.post("/v1/posts", {"text": "x"}, key=key)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_no_key(api: Installation) -> None:
    """401 without a key."""
    response = await api.http.post("/v1/posts", json={"text": "x"})
    assert response.status_code == 401
    assert response.json()["detail"] == (
        "A valid API key is needed, in the header Authorization as 'Bearer <key>'; or a session."
    )


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/posts/01890000-0000-7000-8000-000000000000", "/feeds/nobody.atom"]
)
async def test_not_found_is_a_problem_too(api: Installation, path: str) -> None:
    """404 in the same shape as every error."""
    response = await api.get(path)
    assert response.status_code == 404
    assert response.json()["status"] == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=1000", "cursor=%00", "state=flying"])
async def test_bad_queries(api: Installation, query: str) -> None:
    """List parameters are checked like bodies."""
    response = await api.get(f"/v1/posts?{query}")
    assert response.status_code == 422
    assert list(problems(response)) == [query.partition("=")[0]]


@pytest.mark.parametrize("key", ["", "x" * 201, "a b"])
async def test_bad_idempotency_keys(api: Installation, key: str) -> None:
    """A key that could not be remembered exactly is refused."""
    response = await api.post("/v1/posts", {"text": "x"}, headers={"Idempotency-Key": key})
    assert response.status_code == 422
