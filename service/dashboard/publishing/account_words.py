"""Accounts and platforms in words."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import quote

from service.accounts.models import Account, AccountState
from service.accounts.schemas import AccountOut
from service.errors import Problem
from service.platforms.contract import CredentialField, Platform
from service.platforms.limits import Limits, VideoLimits

UNITS = {
    "characters": "characters",
    "graphemes": "characters",
    "mastodon": "characters",
    "threads": "characters, emoji counted as bytes",
    "utf16": "characters, most emoji counted twice",
    "weighted": "characters as X counts them",
}
KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WebP"}
SHORT = {"url": "URL", "id": "ID"}
"""Parts of names that are written otherwise."""
STATES = {
    "active": ("active", "active"),
    "needs_reconnect": ("down", "needs reconnecting"),
    "disconnected": ("cancelled", "removed"),
}
"""By an account's state: the look of the word, and the word."""


PROFILES = {
    "x": "https://x.com/{}",
    "instagram": "https://www.instagram.com/{}/",
    "threads": "https://www.threads.com/@{}",
    "tiktok": "https://www.tiktok.com/@{}",
    "youtube": "https://www.youtube.com/@{}",
    "bluesky": "https://bsky.app/profile/{}",
}
"""Where accounts have their pages, by platform; elsewhere a handle does not tell."""


def limits(found: Limits) -> Iterator[str]:
    """Say in sentences what a post may be."""
    unit = UNITS.get(found.unit, found.unit)
    link = f"; each link counts {found.url_units}" if found.url_units else ""
    yield f"Up to {found.text_units:,} {unit}{link}."
    yield _images(found)
    if found.videos and found.video:
        yield _videos(found.videos, found.video)
    if found.images:
        yield f"Alt text of up to {found.alt_text:,} characters."
    if found.posts_per_day:
        yield f"At most {found.posts_per_day:,} posts in 24 hours."


def in_short(found: Limits) -> list[str]:
    """Say what a post may be, as far as it fits on a card."""
    return list(limits(found))[:2]


def _images(found: Limits) -> str:
    if not found.images:
        return "No images."
    kinds = ", ".join(KINDS.get(kind, kind) for kind in found.image_types)
    size = f"{found.image_bytes / 1_000_000:.3g} MB"
    noun = "image" if found.images == 1 else "images"
    needed = "Needs media. " if found.media_required else ""
    return f"{needed}Up to {found.images} {noun}: {kinds}, at most {size} each."


def _videos(most: int, found: VideoLimits) -> str:
    shortest, longest = found.seconds
    least = f"{shortest:g} seconds" if shortest >= 1 else "up"
    span = f"{least} to {_span(longest)}"
    noun = "One video" if most == 1 else f"Up to {most} videos"
    size = f"{found.bytes / 1_000_000:,.0f} MB"
    return f"{noun}: {span}, at most {size}; other formats are converted."


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:g} minutes" if seconds < 7200 else f"{seconds / 3600:g} hours"


def token(account: AccountOut | Account, moment: datetime) -> str | None:
    """Say how long an account's token is good, if that ends: what follows is when, `moment`."""
    end = account.token_expires_at
    if end is None or account.state != AccountState.ACTIVE:
        return None
    if account.refresh_error:
        return "Could not be renewed; lasts until" if end > moment else "Could not be renewed since"
    return (
        "Renewed by itself; the present one lasts until" if end > moment else "Being renewed since"
    )


def is_limited(account: AccountOut | Account, moment: datetime) -> bool:
    """Whether the platform takes nothing of an account at present."""
    return account.limited_until is not None and account.limited_until > moment


def in_browser(platform: Platform) -> bool:
    """Whether a person can connect an account by logging in there."""
    return platform.oauth is not None and platform.oauth.configured


def profile(account: Account | AccountOut) -> str | None:
    """Return the address of an account's page at its platform, if it has one that is known."""
    handle = account.handle
    if account.local:
        return f"/feeds/{quote(handle)}"
    if account.platform == "mastodon":
        return f"{account.base_url}/@{quote(handle.partition('@')[0])}"
    pattern = PROFILES.get(account.platform)
    return pattern.format(quote(handle.removeprefix("@"))) if pattern else None


def title(field: str) -> str:
    """Return a credential's name as a person reads it: `app_password` is `App password`."""
    words = " ".join(SHORT.get(word, word) for word in field.split("_"))
    return words[:1].upper() + words[1:]


def names_server(platform: Platform) -> bool:
    """Whether a person may or must say which server their account is on."""
    return platform.has_servers


def placed(problems: tuple[Problem, ...], fields: Mapping[str, CredentialField]) -> dict[str, str]:
    """Return messages by field of the form; what the platform refused stands at the secret."""
    secret = next((name for name, field in fields.items() if field.secret), next(iter(fields)))
    found: dict[str, str] = {}
    for problem in problems:
        name, message = problem.field, problem.message
        if name in {"credentials", "credentials.url"} or (name == "base_url" and "url" in fields):
            name = f"credentials.{secret}"
        found.setdefault(name, f"{message[:1].upper()}{message[1:]}")
    return found
