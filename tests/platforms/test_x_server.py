"""X's emulator refuses what the documentation does not know, and counts what it does."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms.lengths import length
from tests.platforms.emulators import Emulators
from tests.platforms.rigs.x import MP4, PNG
from tests.servers.x import XServer
from tests.servers.x_text import weight

LINK = "https://example.com/a"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    for server in emulators.lend(XServer):
        yield server
        server.violations.clear()  # they are what these tests ask for


@pytest.fixture
def client(server: XServer) -> Iterator[httpx.Client]:
    token = server.logins.issue()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        yield client


def begin(client: httpx.Client, total: int = 12) -> str:
    body = {"media_type": "video/mp4", "total_bytes": total, "media_category": "tweet_video"}
    answer = client.post("/2/media/upload/initialize", json=body)
    return str(answer.raise_for_status().json()["data"]["id"])


def append(client: httpx.Client, media_id: str, index: int, content: bytes) -> int:
    path, fields = f"/2/media/upload/{media_id}/append", {"segment_index": str(index)}
    return client.post(path, data=fields, files={"media": content}).status_code


@pytest.mark.parametrize(
    ("method", "path", "parts"),
    [
        ("GET", "/2/unknown", {}),
        ("POST", "/2/tweets", {"json": {"status": "a"}}),
        ("POST", "/2/tweets", {"json": {}}),
        ("POST", "/2/tweets", {"data": {"text": "a"}}),
        ("POST", "/2/tweets", {"json": {"text": "a", "reply_settings": "everyone"}}),
        ("POST", "/2/tweets", {"json": {"text": "a", "made_with_ai": "yes"}}),
        ("POST", "/2/tweets", {"json": {"text": "a", "media": {"media_ids": []}}}),
        ("GET", "/2/users/me", {"params": {"fields": "id"}}),
        ("GET", "/2/users/2244994945/tweets", {"params": {"max_results": "101"}}),
        ("POST", "/2/media/upload", {"json": {"media": "…"}}),
        ("POST", "/2/media/upload", {"files": {"media": PNG}}),
        ("GET", "/2/media/upload", {"params": {"media_id": "1"}}),
        ("POST", "/2/oauth2/token", {"json": {"grant_type": "refresh_token"}}),
    ],
)
def test_what_is_not_documented(
    server: XServer, client: httpx.Client, method: str, path: str, parts: dict[str, Any]
) -> None:
    assert client.request(method, path, **parts).status_code in (400, 404)
    assert len(server.violations) == 1
    assert (server.posts, server.media.all) == ([], {})


def test_tokens_are_looked_at(server: XServer, client: httpx.Client) -> None:
    server.advance(7_201)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = client.post("/2/tweets", json={"text": "a"}, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
    assert server.posts == []


def test_texts_are_weighed(server: XServer, client: httpx.Client) -> None:
    """280 by weight: a link counts 23, what is not Western 2."""
    for text, status in (("文" * 140, 201), ("文" * 140 + "x", 400), ("👩‍🚀" * 140, 201)):
        assert client.post("/2/tweets", json={"text": text}).status_code == status
    link = f"https://example.com/{'x' * 300}"
    assert client.post("/2/tweets", json={"text": f"{'x' * 256} {link}"}).status_code == 201
    assert client.post("/2/tweets", json={"text": f"{'y' * 257} {link}"}).status_code == 400


@given(st.lists(st.sampled_from(["a", "é", "文", "👍🏽", "👩‍🚀", "🇩🇪", "1️⃣", "©", "\u2030", LINK])))
def test_both_sides_count_alike(pieces: list[str]) -> None:
    """The emulator's count and our own were written apart from one another."""
    text = " ".join(pieces)
    assert weight(text) == length(text, "weighted", 23)


def test_segments_must_add_up(server: XServer, client: httpx.Client) -> None:
    """A missing one, a short one, one too many; the same number again replaces the first."""
    media_id = begin(client, 18)
    finish = f"/2/media/upload/{media_id}/finalize"
    assert append(client, media_id, 1, b"second") == 200
    assert client.post(finish).status_code == 400
    assert append(client, media_id, 0, b"short") == 200
    assert client.post(finish).status_code == 400
    assert append(client, media_id, 0, MP4) == 200
    assert server.violations == []
    assert append(client, media_id, 2, b"third") == 400
    assert append(client, media_id, 1_000, b"x") == 400
    assert append(client, media_id, 0, bytes(5_000_001)) == 431
    assert len(server.violations) == 3


def test_media_are_attached_when_they_are_ready(server: XServer, client: httpx.Client) -> None:
    media_id = begin(client)
    body = {"media": {"media_ids": [media_id]}}
    assert client.post("/2/tweets", json=body).status_code == 400
    append(client, media_id, 0, MP4)
    finish = client.post(f"/2/media/upload/{media_id}/finalize").json()["data"]
    assert finish["processing_info"]["state"] == "pending"
    assert client.post(f"/2/media/upload/{media_id}/finalize").status_code == 400
    assert client.post("/2/tweets", json=body).status_code == 400
    server.media.ripen()
    server.advance(86_401)
    server.logins.access = {token: server.time() + 60 for token in server.logins.access}
    assert client.post("/2/tweets", json=body).status_code == 400
    server.advance(-86_401)
    assert client.post("/2/tweets", json=body).status_code == 201
    assert server.violations == []


def test_limits_are_counted_per_call(server: XServer, client: httpx.Client) -> None:
    server.limits["GET /2/users/me"] = 2
    answers = [client.get("/2/users/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    left = [answer.headers["x-rate-limit-remaining"] for answer in answers]
    assert left == ["1", "0", "0"]
    assert client.get("/2/users/2244994945/tweets?start_time=2026-01-01T00:00:00Z").is_success
