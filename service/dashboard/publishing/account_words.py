"""Accounts and platforms in words."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from service.accounts.models import Account
from service.accounts.schemas import AccountOut
from service.errors import Problem
from service.platforms.contract import CredentialField, Platform
from service.platforms.limits import Limits

UNITS = {
    "characters": "characters",
    "graphemes": "characters",
    "mastodon": "characters",
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


def limits(found: Limits) -> Iterator[str]:
    """Say in sentences what a post may be."""
    unit = UNITS.get(found.unit, found.unit)
    link = f"; each link counts {found.url_units}" if found.url_units else ""
    yield f"Up to {found.text_units:,} {unit}{link}."
    yield _images(found)
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
    if found.media_required:
        return f"1 to {found.images} images are needed: {kinds}, at most {size} each."
    noun = "image" if found.images == 1 else "images"
    return f"Up to {found.images} {noun}: {kinds}, at most {size} each."


def profile(account: Account | AccountOut) -> str | None:
    """Return the address of an account's page at its platform, if it has one that is known."""
    handle = account.handle
    match account.platform:
        case "mastodon":
            return f"{account.base_url}/@{quote(handle.partition('@')[0])}"
        case "bluesky":
            return f"https://bsky.app/profile/{quote(handle)}"
        case "feed" | "x" | "instagram":
            return f"/feeds/{quote(handle)}"
    return None


def title(field: str) -> str:
    """Return a credential's name as a person reads it: `app_password` is `App password`."""
    words = " ".join(SHORT.get(word, word) for word in field.split("_"))
    return words[:1].upper() + words[1:]


def names_server(platform: Platform) -> bool:
    """Whether a person may or must say which server their account is on."""
    return not platform.local and "url" not in platform.credential_fields


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
