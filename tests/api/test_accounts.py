"""Connecting accounts, platforms as data, media, feeds, jobs, health."""

import asyncio
from xml.etree import ElementTree as ET

import pytest

from service.accounts.actions import check_keys
from service.errors import ConfigurationError
from service.kit.crypto import Keyring
from tests.servers.mastodon import MastodonServer
from tests.support import PNG, Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio
WITHOUT_KEY = {("post", "/v1/session"), ("post", "/v1/emails/events/sendgrid")}
"""A login; what is signed by whoever sends it."""
KEY_OR_SESSION: list[dict[str, list[str]]] = [{"HTTPBearer": []}, {"APIKeyCookie": []}]

NAMES = [
    *("feed", "mastodon", "bluesky", "x", "instagram", "facebook", "threads", "tiktok"),
    *("youtube", "linkedin", "webhook"),
]


async def test_platforms_are_data(api: Installation) -> None:
    """G030: every platform with its caption limit, and all else that is known of it."""
    items = {item["name"]: item for item in (await api.get("/v1/platforms")).json()["items"]}
    assert list(items) == NAMES
    assert (items["x"]["limits"]["text_units"], items["x"]["limits"]["unit"]) == (280, "weighted")
    assert items["instagram"]["limits"]["text_units"] == 2200
    assert [name for name, item in items.items() if not item["live"]] == []
    mastodon = items["mastodon"]
    assert mastodon["connect"]["fields"]["access_token"]["required"] is True
    assert (mastodon["connect"]["browser"], mastodon["connect"]["server"]) == (True, True)
    assert items["feed"]["connect"]["browser"] is False
    assert (mastodon["replies"], mastodon["deletes"], mastodon["measures"]) == (
        "threads",
        True,
        True,
    )
    assert (mastodon["retries"], mastodon["retry_base_seconds"]) == (3, 60)
    assert mastodon["limits"]["video"]["types"][0] == "video/mp4"
    visibility = mastodon["options"]["visibility"]
    assert (visibility["kind"], "unlisted" in visibility["choices"]) == ("choice", True)


async def test_every_network_has_a_sandbox(api: Installation) -> None:
    """G030: an account that only looks like one there needs a handle, and shows posts here."""
    for name in NAMES[1:-1]:
        body = {"platform": name, "sandbox": True, "credentials": {"handle": f"my{name}"}}
        reply = await api.post("/v1/accounts", body)
        assert reply.status_code == 201, reply.text
        account = reply.json()
        assert (account["platform"], account["local"]) == (name, True)
        reply = await api.post("/v1/accounts/authorize", {"account_id": account["id"]})
        assert "has no login in a browser" in problems(reply)["platform"]


async def test_credentials_are_encrypted_and_never_shown(api: Installation) -> None:
    """The token is in no reply and not readable in the row."""
    with MastodonServer() as server:
        body = {
            "platform": "mastodon",
            "base_url": server.url,
            "credentials": {"access_token": server.token},
        }
        reply = await api.post("/v1/accounts", body)
        assert reply.status_code == 201, reply.text
        assert server.token not in reply.text
        (row,) = await api.sql("SELECT credentials FROM accounts")
        assert server.token.encode() not in row.credentials
        assert reply.json()["limits"]["text_units"] == 500


async def test_a_refused_token(api: Installation) -> None:
    """The platform is asked at once; what it refuses is not stored."""
    with MastodonServer() as server:
        body = {
            "platform": "mastodon",
            "base_url": server.url,
            "credentials": {"access_token": "wrong"},
        }
        reply = await api.post("/v1/accounts", body)
    assert reply.status_code == 422
    assert "401" in problems(reply)["credentials"]
    assert "wrong" not in reply.text
    assert await api.count("accounts") == 0


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "169.254.169.254", "10.0.0.1"])
async def test_private_hosts_are_refused(api: Installation, host: str) -> None:
    """A host that a user names is not reached inside our network, and the setting is named."""
    body = {
        "platform": "mastodon",
        "base_url": f"http://{host}:9",
        "credentials": {"access_token": "x"},
    }
    reply = await api.post("/v1/accounts", body)
    assert reply.status_code == 422
    assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in reply.text
    assert await api.count("accounts") == 0


async def test_missing_and_unknown_credentials(api: Installation) -> None:
    """Each is named."""
    body = {"platform": "bluesky", "credentials": {"password": "x"}}
    reply = await api.post("/v1/accounts", body)
    assert reply.status_code == 422
    assert {"credentials.identifier", "credentials.app_password"} <= set(problems(reply))


async def test_unknown_platform(api: Installation) -> None:
    """The known ones are listed."""
    reply = await api.post("/v1/accounts", {"platform": "myspace"})
    assert problems(reply) == {"platform": f"'myspace' is unknown; known: {', '.join(NAMES)}"}


async def test_a_taken_handle(api: Installation) -> None:
    """A page belongs to whoever had its handle first."""
    await api.connect(credentials={"handle": "news"})
    key = await api.new_key("settings:write")
    body = {"platform": "feed", "credentials": {"handle": "news"}}
    reply = await api.post("/v1/accounts", body, key=key)
    assert reply.status_code == 409
    assert await api.count("accounts") == 1


async def test_connecting_twice_at_once(api: Installation) -> None:
    """One of two concurrent requests makes the account, the other finds it or is told."""
    body = {"platform": "feed", "credentials": {"handle": "race"}}
    replies = await asyncio.gather(*(api.post("/v1/accounts", body) for _ in range(5)))
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert 201 in {reply.status_code for reply in replies}
    assert await api.count("accounts") == 1


async def test_others_rows_do_not_exist(api: Installation) -> None:
    """Accounts, posts, media and jobs of somebody else answer 404; an admin sees them."""
    scopes = ("posts:read", "posts:write", "settings:write", "content:read", "content:write")
    theirs = await api.new_key(*scopes, user="them")
    mine = await api.new_key(*scopes, "jobs:read", "jobs:operate", user="me")
    account = await api.connect(key=theirs)
    body = {"text": "x", "accounts": [account], "publish_at": in_seconds(600)}
    post = (await api.post("/v1/posts", body, key=theirs)).json()
    files = {"file": ("a.png", PNG)}
    media = (await api.request("POST", "/v1/media", files=files, key=theirs)).json()
    job = post["deliveries"][0]["job_id"]
    paths = [f"/v1/accounts/{account}", f"/v1/posts/{post['id']}", f"/v1/media/{media['id']}"]
    for path in [*paths, f"/v1/jobs/{job}"]:
        assert (await api.get(path, key=mine)).status_code == 404, path
        assert (await api.get(path)).status_code == 200, path
    for action in ("cancel", "retry"):
        reply = await api.post(f"/v1/posts/{post['id']}/{action}", {}, key=mine)
        assert reply.status_code == 404
    assert (await api.post(f"/v1/jobs/{job}/cancel", {}, key=mine)).status_code == 404
    assert (await api.get("/v1/posts", key=mine)).json()["items"] == []
    assert (await api.read_post(post["id"]))["state"] == "scheduled"


async def test_the_same_upload_keeps_its_id(api: Installation) -> None:
    """Content decides: one file, one row."""
    ids = set()
    for name in ("a.png", "b.png"):
        reply = await api.request("POST", "/v1/media", files={"file": (name, PNG)})
        assert reply.json()["content_type"] == "image/png"
        ids.add(reply.json()["id"])
    assert len(ids) == await api.count("media") == 1


async def test_an_upload_that_is_too_large(api: Installation) -> None:
    """413, and no file stays behind."""
    content = PNG + bytes(api.runtime.settings.max_upload_bytes)
    reply = await api.request("POST", "/v1/media", files={"file": ("a.png", content)})
    assert reply.status_code == 413
    assert [p for p in api.runtime.settings.media_folder.rglob("*") if p.is_file()] == []


async def test_feed_pages_show_what_was_published(api: Installation) -> None:
    """Atom, JSON and HTML have the text escaped, the link and the image; the image is served."""
    account = await api.connect(credentials={"handle": "news", "display_name": "The News"})
    media = (await api.request("POST", "/v1/media", files={"file": ("a.png", PNG)})).json()
    hidden = (await api.request("POST", "/v1/media", files={"file": ("b.png", PNG + b"x")})).json()
    text = "<b>Bold</b> & true"
    await api.schedule(
        [account],
        text,
        link="https://example.org/story?a=1&b=2",
        media=[{"id": media["id"], "alt": 'A "dot"'}],
    )
    assert (await api.http.get(f"/feeds/news/media/{media['id']}")).status_code == 404
    await api.work()

    atom = ET.fromstring((await api.http.get("/feeds/news.atom")).content)
    ns = {"a": "http://www.w3.org/2005/Atom"}
    assert atom.findtext("a:title", namespaces=ns) == "The News"
    assert atom.findtext("a:entry/a:content", namespaces=ns) == text
    (item,) = (await api.http.get("/feeds/news.json")).json()["items"]
    assert (item["content_text"], item["external_url"]) == (
        text,
        "https://example.org/story?a=1&b=2",
    )
    page = await api.http.get("/feeds/news")
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; true" in page.text
    assert 'alt="A &#34;dot&#34;"' in page.text
    assert "script" not in page.headers["content-security-policy"]
    image = await api.http.get(item["attachments"][0]["url"])
    assert (image.content, image.headers["content-type"]) == (PNG, "image/png")
    assert (await api.http.get(f"/feeds/news/media/{hidden['id']}")).status_code == 404


async def test_health(api: Installation) -> None:
    """G077: /livez asks nobody; /readyz names each server and 503s when one is missing."""
    assert (await api.http.get("/livez")).json() == {"status": "ok"}
    ready = await api.http.get("/readyz")
    assert ready.status_code == 200
    assert {"status": "ok", "database": "ok", "queue": "ok"}.items() <= ready.json().items()
    await api.sql("UPDATE alembic_version SET version_num = 'older'")
    reply = await api.http.get("/readyz")
    assert reply.status_code == 503
    assert "schema is at older" in reply.json()["database"]


async def test_start_is_refused_with_an_unknown_key(api: Installation) -> None:
    """A changed SECRET_KEY is noticed before anything breaks."""
    await api.connect()
    async with api.runtime.unit_of_work() as uow:
        await check_keys(uow.session, api.runtime.keyring)
        with pytest.raises(ConfigurationError, match="SECRET_KEY_OLD"):
            await check_keys(uow.session, Keyring(["another secret key"]))
        rotated = Keyring(["another secret key", "a secret that only tests use"])
        await check_keys(uow.session, rotated)


async def test_unknown_job(api: Installation) -> None:
    """G038: an id that nobody knows is a 404."""
    assert (await api.get("/v1/jobs/nothing")).status_code == 404


async def test_openapi_documents_every_error_and_key(api: Installation) -> None:
    """Every /v1 operation has a description, its errors, and how one says who asks."""
    document = (await api.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary") or operation.get("description"), (method, path)
            if path.startswith("/v1/"):
                assert {"401", "403", "422", "503"} <= set(operation["responses"]), (method, path)
                schemes = [] if (method, path) in WITHOUT_KEY else KEY_OR_SESSION
                assert operation.get("security", []) == schemes, (method, path)
    creating = document["paths"]["/v1/posts"]["post"]
    assert [p["name"].lower() for p in creating["parameters"]] == ["idempotency-key"]
