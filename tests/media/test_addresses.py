"""Addresses at which platforms fetch media: nobody guesses one, and each ends by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from service.kit.clock import now
from service.kit.crypto import Keyring
from service.media.addresses import ENDINGS, LIFETIME, Named, named, token
from service.media.kinds import TYPES
from tests.support import PNG, Installation

SECRET, OTHER = "a secret that only tests use", "another secret of some length"
KEYRING = Keyring([SECRET])
DIGEST = "ab" * 32
MOMENT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_token_names_its_file_until_it_ends() -> None:
    found = token(KEYRING, DIGEST, "video/mp4", MOMENT)
    assert found.isascii()
    assert found.endswith(".mp4")
    assert named(KEYRING, found, MOMENT) == Named(DIGEST, "video/mp4")
    assert named(KEYRING, found, MOMENT + LIFETIME) == Named(DIGEST, "video/mp4")
    assert named(KEYRING, found, MOMENT + LIFETIME + timedelta(seconds=1)) is None
    assert timedelta(hours=24) == LIFETIME


def test_whatever_is_changed_ends_it() -> None:
    found = token(KEYRING, DIGEST, "image/jpeg", MOMENT)
    body, _, ending = found.partition(".")
    for place in range(0, len(body) - 1, 7):
        other = "A" if body[place] != "A" else "B"
        changed = f"{body[:place]}{other}{body[place + 1 :]}.{ending}"
        assert named(KEYRING, changed, MOMENT) is None
    for wrong in ("", ".", "é.jpg", f"{body}.png", f"{body}.exe", body, f"{body}A.jpg", "=.jpg"):
        assert named(KEYRING, wrong, MOMENT) is None
    assert named(Keyring([OTHER]), found, MOMENT) is None


def test_an_address_outlives_a_change_of_the_secret() -> None:
    found = token(KEYRING, DIGEST, "image/png", MOMENT)
    assert named(Keyring([OTHER, SECRET]), found, MOMENT) == Named(DIGEST, "image/png")


def test_every_type_has_an_ending() -> None:
    assert set(ENDINGS) == set(TYPES)
    assert len(set(ENDINGS.values())) == len(ENDINGS)


@pytest.mark.asyncio
async def test_a_platform_fetches_a_file(api: Installation) -> None:
    """Without a key: whole, its head, a range; what has ended or is gone does not exist."""
    sent = await api.request("POST", "/v1/media", files={"file": ("a.png", PNG)})
    media = sent.json()
    keyring = Keyring([_secret(api.runtime.settings.secret_key)])
    path = f"/m/{token(keyring, media['sha256'], 'image/png', now())}"
    reply = await api.http.get(path)
    assert (reply.status_code, reply.content) == (200, PNG)
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["content-length"] == str(len(PNG))
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["accept-ranges"] == "bytes"
    head = await api.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(PNG))
    part = await api.http.get(path, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, PNG[4:8])
    assert part.headers["content-range"] == f"bytes 4-7/{len(PNG)}"
    beyond = await api.http.get(path, headers={"Range": "bytes=9999-"})
    assert beyond.status_code == 416
    old = token(keyring, media["sha256"], "image/png", now() - LIFETIME - timedelta(seconds=2))
    unknown = token(keyring, DIGEST, "image/png", now())
    for wrong in (old, unknown, path[3:-5] + ".png", "x", ""):
        assert (await api.http.get(f"/m/{wrong}")).status_code == 404
    assert (await api.request("DELETE", f"/v1/media/{media['id']}")).status_code == 204
    assert (await api.http.get(path)).status_code == 404


def _secret(value: SecretStr | None) -> str:
    assert value is not None
    return value.get_secret_value()
