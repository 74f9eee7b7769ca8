"""What differs between the receivers of webhooks: limits, proof of the account, body, answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.contract import Destination, Handles, Publication, Published
from service.platforms.http import Step, call, check, decode
from service.platforms.limits import Limits

TELEGRAM_SERVER = "https://api.telegram.org"
NO_IMAGES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receiver:
    """What connecting found out."""

    handle: str
    display_name: str
    session: Handles


class Generic:
    """Any URL: takes our JSON, tells repeats by `webhook-id` and answers 2xx."""

    limits = Limits(text_units=100_000, unit="characters", images=20, image_bytes=20_000_000)
    required: tuple[str, ...] = ()
    """Credentials beyond the URL."""
    signed = True
    """Whether the receiver may verify Standard Webhooks headers."""

    def url(self, target: str, credentials: Mapping[str, str]) -> str:
        """Return the URL that takes posts."""
        return target

    async def probe(
        self, outbound: Outbound, step: Step, target: str, credentials: Mapping[str, str]
    ) -> Receiver:
        """Prove what can be proved without posting: here, that the URL may be called."""
        await check(outbound, step, target)
        host = urlsplit(target).netloc
        return Receiver(f"{host}/{hashlib.sha256(target.encode()).hexdigest()[:8]}", host, {})

    def body(self, publication: Publication) -> dict[str, Any]:
        """Return what is sent; of images only the metadata."""
        content = publication.content
        return {
            "id": str(publication.delivery_id),
            "text": content.text,
            "link": content.link,
            "media": [
                {"id": str(f.id), "content_type": f.content_type, "size": f.size, "alt": f.alt}
                for f in content.media
            ],
            "published_at": now().isoformat(timespec="seconds"),
        }

    def published(self, publication: Publication, answer: bytes) -> Published:
        """Read the answer. Raises msgspec.DecodeError when it does not name the post."""
        return Published(str(publication.delivery_id), None)


class Slack(Generic):
    """An incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

    # Slack cuts at 40,000 characters without a word; escaping makes a text up to 5 times as long.
    limits = Limits(text_units=8_000, unit="characters", images=0, image_types=NO_IMAGES)
    signed = False

    def body(self, publication: Publication) -> dict[str, Any]:
        """Escape what Slack would take for markup."""
        text = publication.content.full_text
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


class _DiscordWebhook(msgspec.Struct):
    id: str
    name: str | None = None
    guild_id: str | None = None


class _DiscordMessage(msgspec.Struct):
    id: str
    channel_id: str | None = None


class Discord(Generic):
    """A channel's webhook (https://discord.com/developers/docs/resources/webhook)."""

    limits = Limits(text_units=2_000, unit="characters", images=0, image_types=NO_IMAGES)
    signed = False

    def url(self, target: str, credentials: Mapping[str, str]) -> str:
        """Ask for the message in the answer: its id names the post."""
        return str(httpx.URL(target).copy_set_param("wait", "true"))

    async def probe(
        self, outbound: Outbound, step: Step, target: str, credentials: Mapping[str, str]
    ) -> Receiver:
        """Read the webhook."""
        found = decode(step, await call(outbound, step, "GET", target), _DiscordWebhook)
        session: Handles = {"guild_id": found.guild_id}
        return Receiver(f"discord/{found.id}", found.name or "Discord", session)

    def body(self, publication: Publication) -> dict[str, Any]:
        """Return the message."""
        return {"content": publication.content.full_text}

    def published(self, publication: Publication, answer: bytes) -> Published:
        """Read the message's id and where it is."""
        message = msgspec.json.decode(answer, type=_DiscordMessage)
        guild = publication.destination.session.get("guild_id")
        if not (guild and message.channel_id):
            return Published(message.id, None)
        place = f"{guild}/{message.channel_id}/{message.id}"
        return Published(message.id, f"https://discord.com/channels/{place}")


class _TelegramChat(msgspec.Struct):
    id: int
    title: str | None = None
    username: str | None = None


class _TelegramFound(msgspec.Struct):
    result: _TelegramChat


class _TelegramMessage(msgspec.Struct):
    message_id: int
    chat: _TelegramChat


class _TelegramSent(msgspec.Struct):
    result: _TelegramMessage


class Telegram(Generic):
    """A bot in a chat (https://core.telegram.org/bots/api#sendmessage); its token is in the URL."""

    limits = Limits(text_units=4_096, unit="characters", images=0, image_types=NO_IMAGES)
    signed = False
    required = ("bot_token", "chat_id")

    def url(self, target: str, credentials: Mapping[str, str]) -> str:
        """Return the URL of sendMessage; `target` is the server."""
        return f"{_bot(target, credentials)}/sendMessage"

    async def probe(
        self, outbound: Outbound, step: Step, target: str, credentials: Mapping[str, str]
    ) -> Receiver:
        """Read the chat, as the bot sees it."""
        params = {"chat_id": credentials["chat_id"].strip()}
        url = f"{_bot(target, credentials)}/getChat"
        chat = decode(step, await call(outbound, step, "GET", url, params=params), _TelegramFound)
        found = chat.result
        return Receiver(f"telegram/{found.username or found.id}", found.title or "Telegram", {})

    def body(self, publication: Publication) -> dict[str, Any]:
        """Return the message."""
        chat_id = publication.destination.credentials["chat_id"].strip()
        return {"chat_id": chat_id, "text": publication.content.full_text}

    def published(self, publication: Publication, answer: bytes) -> Published:
        """Read the message's id; public chats have addresses."""
        message = msgspec.json.decode(answer, type=_TelegramSent).result
        name, number = message.chat.username, message.message_id
        return Published(str(number), f"https://t.me/{name}/{number}" if name else None)


def _bot(server: str, credentials: Mapping[str, str]) -> str:
    return f"{server.rstrip('/')}/bot{credentials['bot_token'].strip()}"


KINDS: Mapping[str, Generic] = {
    "generic": Generic(),
    "discord": Discord(),
    "slack": Slack(),
    "telegram": Telegram(),
}


def target_of(base_url: str, credentials: Mapping[str, str]) -> str:
    """Return the URL that was given: as a credential, as the base URL, or Telegram's own."""
    given = credentials.get("url", "").strip() or base_url
    return given or (TELEGRAM_SERVER if credentials.get("bot_token") else "")


def kind_of(target: str, credentials: Mapping[str, str]) -> str:
    """Return the flavour that was asked for, or the one that the host shows."""
    if kind := credentials.get("kind", "").strip():
        return kind
    host = urlsplit(target).hostname or ""
    if host in ("discord.com", "discordapp.com") or host.endswith(".discord.com"):
        return "discord"
    if host == "hooks.slack.com":
        return "slack"
    if host == "api.telegram.org" or credentials.get("bot_token"):
        return "telegram"
    return "generic"


def kind_and_target(destination: Destination) -> tuple[Generic, str]:
    """Return how and where a connected account is called."""
    target = target_of(destination.base_url, destination.credentials)
    return KINDS[kind_of(target, destination.credentials)], target
