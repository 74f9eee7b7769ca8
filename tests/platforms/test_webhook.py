"""Publishing by webhook, to a receiver that checks signatures itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.kit.ids import uuid7
from service.kit.outbound import Outbound
from service.kit.standard_webhooks import signing_key, webhook_headers
from service.platforms.contract import Content, Destination, Published, Unknown
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)
from service.platforms.webhook.adapter import Webhook
from service.platforms.webhook.kinds import KINDS, kind_of
from tests.platforms.conftest import SECRET
from tests.platforms.helpers import Row, image
from tests.servers.faults import Fault
from tests.servers.proxy import LossyProxy
from tests.servers.webhook import BOT_TOKEN, CHAT_ID, WebhookServer

pytestmark = pytest.mark.asyncio

TELEGRAM = {"kind": "telegram", "bot_token": BOT_TOKEN, "chat_id": CHAT_ID}


@pytest.fixture
def webhook(outbound: Outbound) -> Webhook:
    return Webhook(outbound)


async def account(
    webhook: Webhook, base_url: str, credentials: dict[str, str] | None = None
) -> Destination:
    """Connect, as a person would, and return the account."""
    given = credentials or {}
    profile = await webhook.connect(base_url, given)
    return Destination(
        id=uuid7(),
        handle=profile.handle,
        base_url=profile.base_url,
        credentials=given,
        limits=profile.limits,
        session=profile.session,
    )


async def send(webhook: Webhook, destination: Destination, content: Content) -> Published:
    publication = Row().publication(destination, content)
    await webhook.prepare(publication)
    assert await webhook.check(publication) is None
    return await webhook.commit(publication)


async def test_any_url_gets_signed_json(
    webhook: Webhook, webhook_server: WebhookServer, tmp_path: Path
) -> None:
    """G084: the receiver verifies the HMAC and tells repeats by webhook-id."""
    url = f"{webhook_server.url}/hook"
    destination = await account(webhook, "", {"url": url, "secret": SECRET})
    assert destination.base_url == webhook_server.url, "the URL itself is a secret"
    file = image(tmp_path, b"picture", alt="A cat")
    content = Content("Grüße", link="https://example.com/a", media=(file,))
    publication = Row().publication(destination, content)
    published = await webhook.commit(publication)
    assert published == Published(str(publication.delivery_id), None)
    [post] = webhook_server.posts
    sent_at = datetime.fromisoformat(post.pop("published_at"))
    assert timedelta(seconds=-1) < datetime.now(UTC) - sent_at < timedelta(seconds=10)
    assert post == {
        "_id": str(publication.delivery_id),
        "id": str(publication.delivery_id),
        "text": "Grüße",
        "link": "https://example.com/a",
        "media": [{"id": str(file.id), "content_type": "image/png", "size": 7, "alt": "A cat"}],
    }


async def test_a_wrong_secret_is_refused(webhook: Webhook, webhook_server: WebhookServer) -> None:
    url = f"{webhook_server.url}/hook"
    for credentials in ({"url": url, "secret": "whsec_d3Jvbmc="}, {"url": url}):
        destination = await account(webhook, "", credentials)
        with pytest.raises(AuthFailed, match="status 401: the signature is wrong"):
            await send(webhook, destination, Content("a"))
    assert webhook_server.posts == []


async def test_a_url_may_be_the_base_url(webhook: Webhook, webhook_server: WebhookServer) -> None:
    destination = await account(webhook, f"{webhook_server.url}/hook", {"secret": SECRET})
    assert destination.base_url == f"{webhook_server.url}/hook"
    await send(webhook, destination, Content("a"))
    assert len(webhook_server.posts) == 1


async def test_discord(webhook: Webhook, webhook_server: WebhookServer) -> None:
    credentials = {"url": f"{webhook_server.url}/discord/1/token?x=y", "kind": "discord"}
    destination = await account(webhook, "", credentials)
    assert (destination.handle, destination.base_url) == ("discord/1", webhook_server.url)
    published = await send(webhook, destination, Content("Hi", link="https://example.com"))
    assert webhook_server.posts == [{"content": "Hi\n\nhttps://example.com"}]
    assert published == Published("1001", "https://discord.com/channels/77/88/1001")


async def test_slack(webhook: Webhook, webhook_server: WebhookServer) -> None:
    credentials = {"url": f"{webhook_server.url}/slack/T0/B0/token", "kind": "slack"}
    destination = await account(webhook, "", credentials)
    published = await send(webhook, destination, Content("a <b> & c"))
    assert webhook_server.posts == [{"text": "a &lt;b&gt; &amp; c"}]
    assert published.url is None


async def test_telegram(webhook: Webhook, webhook_server: WebhookServer) -> None:
    destination = await account(webhook, webhook_server.url, TELEGRAM)
    assert destination.handle == "telegram/newsroom"
    published = await send(webhook, destination, Content("Hi"))
    assert webhook_server.posts == [{"chat_id": CHAT_ID, "text": "Hi"}]
    assert published == Published("1", "https://t.me/newsroom/1")


async def test_chats_have_their_own_limits(
    webhook: Webhook, webhook_server: WebhookServer, tmp_path: Path
) -> None:
    destination = await account(webhook, webhook_server.url, TELEGRAM)
    exact = Content("x" * 4096)
    assert webhook.validate(exact, destination.limits) == []
    await send(webhook, destination, exact)
    long = Content("x" * 4097, media=(image(tmp_path),))
    problems = webhook.validate(long, destination.limits)
    assert [problem.code for problem in problems] == ["too_long", "too_many_images", "image_type"]
    with pytest.raises(Rejected, match="message is too long"):
        await send(webhook, destination, long)


@pytest.mark.parametrize(
    ("url", "credentials", "kind"),
    [
        ("https://discord.com/api/webhooks/1/x", {}, "discord"),
        ("https://ptb.discord.com/api/webhooks/1/x", {}, "discord"),
        ("https://notdiscord.com/api/webhooks/1/x", {}, "generic"),
        ("https://hooks.slack.com/services/T/B/x", {}, "slack"),
        ("https://api.telegram.org", {}, "telegram"),
        ("https://telegram.example", {"bot_token": "1:x"}, "telegram"),
        ("https://discord.com/api", {"kind": "generic"}, "generic"),
        ("https://example.com", {}, "generic"),
    ],
)
async def test_the_kind_is_asked_for_or_seen(
    url: str, credentials: dict[str, str], kind: str
) -> None:
    assert kind_of(url, credentials) == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("base_url", "credentials", "field"),
    [
        ("", {}, "credentials.url"),
        ("", {"url": "example.com"}, "credentials.url"),
        ("", {"url": "https://example.com", "kind": "fax"}, "credentials.kind"),
        ("", {"url": "https://example.com", "secret": "whsec_?"}, "credentials.secret"),
        ("", {"url": "https://example.com", "secret": "whsec_"}, "credentials.secret"),
        ("", {"bot_token": "1:x"}, "credentials.chat_id"),
        ("", {"kind": "telegram", "url": "https://t.example", "chat_id": "1"}, "bot_token"),
    ],
)
async def test_connecting_with_wrong_input(
    webhook: Webhook, base_url: str, credentials: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput, match=field):
        await webhook.connect(base_url, credentials)


async def test_connecting_asks_who_it_is(webhook: Webhook, webhook_server: WebhookServer) -> None:
    with pytest.raises(AuthFailed, match="status 401"):
        await webhook.connect(webhook_server.url, {**TELEGRAM, "bot_token": "9:wrong"})
    with pytest.raises(Rejected, match="chat not found"):
        await webhook.connect(webhook_server.url, {**TELEGRAM, "chat_id": "7"})
    with pytest.raises(Rejected, match="status 404"):
        await webhook.connect(f"{webhook_server.url}/discord/2/gone", {"kind": "discord"})
    with pytest.raises(Rejected, match="which is link-local"):
        await webhook.connect("http://169.254.169.254/latest/meta-data", {})
    with pytest.raises(Transient, match="was not found"):
        await webhook.connect("https://nowhere.invalid/", {})


async def test_errors_never_hold_the_token(webhook: Webhook, webhook_server: WebhookServer) -> None:
    """Telegram's token is in the URL, and servers quote URLs."""
    destination = await account(webhook, webhook_server.url, TELEGRAM)
    destination.credentials = {**TELEGRAM, "bot_token": "99:another-token"}
    with pytest.raises(AuthFailed) as refused:
        await send(webhook, destination, Content("a"))
    assert refused.value.message == (
        f"Webhook, posting: status 401: Unauthorized: {webhook_server.url}/bot***/sendMessage"
    )
    url = f"{webhook_server.url}/discord/1/token"
    discord = await account(webhook, "", {"url": url, "kind": "discord"})
    webhook_server.fail(Fault("/discord", 404, {"message": f"{url}?wait=true is unknown"}))
    with pytest.raises(Rejected) as rejected:
        await send(webhook, discord, Content("a"))
    assert rejected.value.message == "Webhook, posting: status 404: ***?wait=true is unknown"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("/hook", 301, headers={"location": "/elsewhere"}), Rejected),
        (Fault("/hook", 400), Rejected),
        (Fault("/hook", 403), AuthFailed),
        (Fault("/hook", 404), Rejected),
        (Fault("/hook", 408), Transient),
        (Fault("/hook", 408, headers={"Retry-After": "3"}), RateLimited),
        (Fault("/hook", 410), Rejected),
        (Fault("/hook", 429), RateLimited),
        (Fault("/hook", 500), Ambiguous),
        (Fault("/hook", 503), Ambiguous),
    ],
)
async def test_failures(
    webhook: Webhook, webhook_server: WebhookServer, fault: Fault, expected: type[PlatformError]
) -> None:
    destination = await account(webhook, f"{webhook_server.url}/hook", {"secret": SECRET})
    webhook_server.fail(Fault(fault.path, fault.status, headers=fault.headers))
    with pytest.raises(expected) as failed:
        await send(webhook, destination, Content("a"))
    assert type(failed.value) is expected
    assert webhook_server.posts == []


@pytest.mark.parametrize("name", ["retry_after", "parameters"])
async def test_limits_in_the_body(
    webhook: Webhook, webhook_server: WebhookServer, name: str
) -> None:
    """Discord and Telegram say in the body how long to wait."""
    body = {"retry_after": 64.5} if name == "retry_after" else {name: {"retry_after": 64.5}}
    destination = await account(webhook, webhook_server.url, TELEGRAM)
    webhook_server.fail(Fault("/sendMessage", 429, body))
    started = datetime.now(UTC)
    with pytest.raises(RateLimited) as limited:
        await send(webhook, destination, Content("a"))
    assert 64.5 <= (limited.value.until - started).total_seconds() < 65.5


async def test_a_lost_answer_stays_uncertain(
    webhook: Webhook, webhook_server: WebhookServer
) -> None:
    with LossyProxy(webhook_server.url) as proxy:
        destination = await account(webhook, f"{proxy.url}/hook", {"secret": SECRET})
        publication = Row().publication(destination, Content("a"))
        proxy.lose_answer("POST /hook")
        with pytest.raises(Ambiguous):
            await webhook.commit(publication)
    assert len(webhook_server.posts) == 1
    assert isinstance(await webhook.reconcile(publication), Unknown)
    assert webhook.repeat_window == timedelta(0)


async def test_each_commit_has_a_connection_of_its_own(
    webhook: Webhook, webhook_server: WebhookServer
) -> None:
    """A kept one may be closing: that could not be told from a lost answer."""
    with LossyProxy(webhook_server.url) as proxy:
        destination = await account(webhook, f"{proxy.url}/hook", {"secret": SECRET})
        for _ in range(2):
            await send(webhook, destination, Content("a"))
        assert proxy.connections == 2


async def test_signing_keys() -> None:
    assert signing_key("any text") == b"any text"
    assert signing_key("whsec_YWJj") == b"abc"
    for wrong in ("whsec_!", "whsec_", "whsec_YWJ"):
        with pytest.raises(ValueError, match="after whsec_ comes"):
            signing_key(wrong)


async def test_the_specification_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example that the specification's own libraries are tested with."""
    monkeypatch.setattr("time.time", lambda: 1614265330.0)
    headers = webhook_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', SECRET)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert "webhook-signature" not in webhook_headers("a", b"")
